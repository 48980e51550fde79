#!/usr/bin/env python3
"""Writes tests/fixtures/features: tiny seeded coders of every format, and what the program that owns the format makes of
fixed inputs. SAELens' folders are written and encoded by the package sae-lens; the other formats, which it reads wrongly or
not at all, by a few lines of torch from their publishers' code. Needs torch, safetensors, sae-lens."""
import json
import os
import shutil

import torch
from safetensors.torch import save_file

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "fixtures", "features")
D, F, ROWS, K = 16, 24, 6, 5


def numbers(*shape, scale=1.0):
    return torch.randn(*shape, generator=GENERATOR) * scale


def folder(name):
    path = os.path.join(HERE, name)
    os.makedirs(path, exist_ok=True)
    return path


def expect(name, x, values, site=None, judge="torch"):
    with open(os.path.join(HERE, name, "expected.json"), "w") as f:
        json.dump({"judge": judge, "site": site, "x": x.tolist(), "values": values.tolist()}, f)


def config(path, name, content):
    with open(os.path.join(path, name), "w") as f:
        json.dump(content, f, indent=1)


def parts(decoder_norm=True):
    w_enc, w_dec = numbers(D, F), numbers(F, D)
    if not decoder_norm:
        w_dec /= w_dec.norm(dim=1, keepdim=True)
    return w_enc, w_dec, numbers(F, scale=0.3), numbers(D, scale=0.5), numbers(ROWS, D, scale=2)


def saelens():
    import sae_lens
    from sae_lens.saes.sae import SAEMetadata
    from sae_lens.saes import gated_sae, jumprelu_sae, standard_sae, topk_sae, transcoder
    kinds = {
        "standard": (standard_sae.StandardSAE, standard_sae.StandardSAEConfig, {}),
        "standard-unshifted": (standard_sae.StandardSAE, standard_sae.StandardSAEConfig, {"apply_b_dec_to_input": False}),
        "layer-norm": (standard_sae.StandardSAE, standard_sae.StandardSAEConfig, {"normalize_activations": "layer_norm"}),
        "constant-norm": (standard_sae.StandardSAE, standard_sae.StandardSAEConfig,
                          {"normalize_activations": "constant_norm_rescale"}),
        "gated": (gated_sae.GatedSAE, gated_sae.GatedSAEConfig, {}),
        "jumprelu": (jumprelu_sae.JumpReLUSAE, jumprelu_sae.JumpReLUSAEConfig, {}),
        "topk": (topk_sae.TopKSAE, topk_sae.TopKSAEConfig, {"k": K}),
        "topk-rescaled": (topk_sae.TopKSAE, topk_sae.TopKSAEConfig, {"k": K, "rescale_acts_by_decoder_norm": True}),
        "transcoder": (transcoder.Transcoder, transcoder.TranscoderConfig, {"d_out": 12, "apply_b_dec_to_input": False}),
        "jumprelu-transcoder": (transcoder.JumpReLUTranscoder, transcoder.JumpReLUTranscoderConfig, {"d_out": 12, "apply_b_dec_to_input": False}),
    }
    for name, (sae_class, config_class, extra) in kinds.items():
        meta = SAEMetadata(model_name="tiny", hook_name="blocks.1.hook_resid_post")
        made = sae_class(config_class(d_in=D, d_sae=F, dtype="float32", device="cpu", metadata=meta, **extra))
        with torch.no_grad():
            for key, value in made.named_parameters():
                value.copy_(numbers(*value.shape, scale=0.3 if value.ndim == 1 else 1.0))
                if key == "threshold":
                    value.abs_()
        path = folder("saelens-" + name)
        made.save_model(path)
        x = numbers(ROWS, D, scale=2)
        with torch.no_grad():
            values = made.encode(x.clone())
        values = values.to_dense() if values.is_sparse else values
        expect("saelens-" + name, x, values, "blocks.1.hook_resid_post", "sae-lens " + sae_lens.__version__)


def old_saelens():
    """Before version 6 everything is flat; OpenAI's top-k autoencoders call themselves standard."""
    w_enc, w_dec, b_enc, b_dec, x = parts()
    path = folder("saelens-5-topk")
    save_file({"W_enc": w_enc, "W_dec": w_dec, "b_enc": b_enc, "b_dec": b_dec}, path + "/sae_weights.safetensors")
    config(path, "cfg.json", {"architecture": "standard", "d_in": D, "d_sae": F, "activation_fn_str": "topk",
                              "activation_fn_kwargs": {"k": K}, "model_name": "tiny", "hook_point": "blocks.1.hook_resid_pre",
                              "normalize_activations": "layer_norm", "dtype": "torch.float32"})
    u = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)
    z = (u - b_dec) @ w_enc + b_enc
    expect("saelens-5-topk", x, top_k(z).relu(), "blocks.1.hook_resid_pre")


def batchtopk():
    """A training checkpoint: one threshold, decoder rows of any length."""
    w_enc, w_dec, b_enc, b_dec, x = parts()
    path = folder("saelens-batchtopk")
    save_file({"W_enc": w_enc, "W_dec": w_dec, "b_enc": b_enc, "b_dec": b_dec,
               "topk_threshold": torch.tensor(2.0, dtype=torch.float64)}, path + "/sae_weights.safetensors")
    config(path, "cfg.json", {"architecture": "batchtopk", "d_in": D, "d_sae": F, "k": K, "apply_b_dec_to_input": True,
                              "metadata": {"sae_lens_version": "6.5.0", "hook_name": "blocks.1.hook_resid_post"}})
    z = ((x - b_dec) @ w_enc + b_enc) * w_dec.norm(dim=1)
    expect("saelens-batchtopk", x, torch.where(z > 2.0, z, 0.0 * z), "blocks.1.hook_resid_post")


def top_k(z, k=K):
    kept = torch.zeros_like(z)
    best = z.topk(k, dim=-1)
    return kept.scatter(-1, best.indices, best.values)


def gemma_scope_2():
    for name, hook, site, d in [
            ("resid", "model.layers.1.output", "blocks.1.hook_resid_post", D),
            ("mlp", "model.layers.1.post_feedforward_layernorm.output", "blocks.1.hook_mlp_out", D),
            ("transcoder", "model.layers.1.pre_feedforward_layernorm.output", "blocks.1.ln2.hook_normalized", D)]:
        w_enc, w_dec, b_enc, b_dec, x = parts()
        threshold = numbers(F).abs()
        path = folder("gemma-scope-2-" + name)
        save_file({"w_enc": w_enc, "w_dec": w_dec, "b_enc": b_enc, "b_dec": b_dec, "threshold": threshold},
                  path + "/params.safetensors")
        config(path, "config.json", {"architecture": "jump_relu", "model_name": "tiny", "hf_hook_point_in": hook, "width": F,
                                     "l0": 7, "type": "transcoder" if name == "transcoder" else "sae"})
        z = x @ w_enc + b_enc
        expect("gemma-scope-2-" + name, x, torch.where(z > threshold, z.relu(), 0 * z), site)


def circuit_tracer():
    for name, extra in [("relu", {}), ("threshold", {"activation_function.threshold": numbers(F).abs()})]:
        w_enc, w_dec, b_enc, _, x = parts()
        path = folder("circuit-tracer-" + name)
        save_file({"W_enc": w_enc.T.contiguous(), "W_dec": w_dec, "b_enc": b_enc, "b_dec": numbers(D), **extra},
                  path + "/layer_1.safetensors")
        with open(path + "/config.yaml", "w") as f:
            f.write('model_name: "tiny"\nmodel_kind: transcoder_set\nfeature_input_hook: "hook_resid_mid"\n'
                    "feature_output_hook: hook_mlp_out\n")
        z = x @ w_enc + b_enc
        t = extra.get("activation_function.threshold")
        expect("circuit-tracer-" + name, x, z.relu() if t is None else torch.where(z > t, z.relu(), 0 * z),
               "blocks.1.hook_resid_mid")


def sparsify():
    for name, place, transcode, site in [
            ("layers.1", "sparsify/layers.1", False, "blocks.1.hook_resid_post"),
            ("layers.1.mlp", "sparsify/layers.1.mlp", False, "blocks.1.hook_mlp_out"),
            ("model.layers.1.mlp", "sparsify/model.layers.1.mlp", True, "blocks.1.ln2.hook_normalized")]:
        w_enc, w_dec, b_enc, b_dec, x = parts(decoder_norm=False)
        path = folder(place)
        save_file({"encoder.weight": w_enc.T.contiguous(), "encoder.bias": b_enc, "W_dec": w_dec, "b_dec": b_dec},
                  path + "/sae.safetensors")
        config(path, "cfg.json", {"d_in": D, "num_latents": 0, "expansion_factor": 2, "k": K, "activation": "topk",
                                  "normalize_decoder": True, "transcode": transcode})
        z = (x if transcode else x - b_dec) @ w_enc + b_enc
        expect(place, x, top_k(z.relu()), site)


def llama_scope():
    w_enc, w_dec, b_enc, b_dec, x = parts()
    path = folder("llama-scope")
    os.makedirs(path + "/checkpoints", exist_ok=True)
    save_file({"encoder.weight": w_enc.T.contiguous().bfloat16(), "encoder.bias": b_enc.bfloat16(),
               "decoder.weight": w_dec.T.contiguous().bfloat16(), "decoder.bias": b_dec.bfloat16()},
              path + "/checkpoints/final.safetensors")
    config(path, "hyperparams.json", {"hook_point_in": "blocks.1.hook_resid_post", "hook_point_out": "blocks.1.hook_resid_post",
                                      "d_model": D, "d_sae": F, "jump_relu_threshold": 0.4,
                                      "dataset_average_activation_norm": {"in": 9.0, "out": 9.0}})
    z = x * D ** 0.5 / 9.0 @ w_enc.bfloat16().float() + b_enc.bfloat16().float()
    expect("llama-scope", x, torch.where(z > 0.4, z, 0 * z), "blocks.1.hook_resid_post")


def openmoss():
    for name, extra in [("topk", {"act_fn": "topk", "top_k": K}), ("jumprelu", {"act_fn": "jumprelu"})]:
        w_enc, w_dec, b_enc, b_dec, x = parts()
        tensors = {"W_E": w_enc, "b_E": b_enc, "W_D": w_dec, "b_D": b_dec}
        n = w_dec.norm(dim=1)
        z = x @ w_enc + b_enc
        if name == "topk":
            values = torch.where(top_k(z * n) != 0, z.relu(), 0 * z)
        else:
            log_threshold = numbers(F)
            tensors["activation_function.log_jumprelu_threshold"] = log_threshold
            values = torch.where(z * n > log_threshold.exp(), z, 0 * z)
        path = folder("openmoss-" + name)
        save_file(tensors, path + "/sae_weights.safetensors")
        config(path, "config.json", {"sae_type": "sae", "d_model": D, "expansion_factor": 1.5, "model_name": "tiny",
                                     "hook_point_in": "blocks.1.hook_resid_post", "hook_point_out": "blocks.1.hook_resid_post",
                                     "norm_activation": "inference", "sparsity_include_decoder_norm": True, **extra})
        expect("openmoss-" + name, x, values, "blocks.1.hook_resid_post")


def gemma_scope_1():
    import numpy
    for name, save in (("stored", numpy.savez), ("deflated", numpy.savez_compressed)):
        w_enc, w_dec, b_enc, b_dec, x = parts()
        threshold = numbers(F).abs()
        place = f"gemma-scope-2b-pt-res/layer_1/width_24/average_l0_7-{name}"
        save(folder(place) + "/params.npz", W_enc=w_enc.numpy() if name == "stored" else numpy.asfortranarray(w_enc.numpy()),
             W_dec=w_dec.numpy(), b_enc=b_enc.numpy(), b_dec=b_dec.numpy(), threshold=threshold.numpy())
        z = x @ w_enc + b_enc
        expect(place, x, torch.where(z > threshold, z.relu(), 0 * z), "blocks.1.hook_resid_post")


def dictionary_learning():
    """State dicts as the classes' own modules make them; forward passes in the words of their source."""
    for name in ("AutoEncoder", "GatedAutoEncoder", "AutoEncoderTopK", "BatchTopKSAE", "MatryoshkaBatchTopKSAE"):
        w_enc, w_dec, b_enc, b_dec, x = parts()
        n = w_dec.norm(dim=1)
        linear = torch.nn.Linear(D, F), torch.nn.Linear(F, D, bias=False)
        with torch.no_grad():
            linear[0].weight.copy_(w_enc.T)
            linear[0].bias.copy_(b_enc)
            linear[1].weight.copy_(w_dec.T)
        state = {"encoder.weight": linear[0].weight, "encoder.bias": linear[0].bias, "decoder.weight": linear[1].weight}
        z = (x - b_dec) @ w_enc + b_enc
        if name == "AutoEncoder":
            state["bias"] = torch.nn.Parameter(b_dec)
            values = z.relu() * n
        elif name == "GatedAutoEncoder":
            r, gate, mag = numbers(F, scale=0.3), numbers(F, scale=0.3), numbers(F, scale=0.3)
            state = {"encoder.weight": linear[0].weight, "decoder.weight": linear[1].weight, "r_mag": r, "gate_bias": gate,
                     "mag_bias": mag, "decoder_bias": b_dec}
            bare = (x - b_dec) @ w_enc
            values = (bare + gate > 0) * (r.exp() * bare + mag).relu()
        elif name == "AutoEncoderTopK":
            state.update(b_dec=b_dec, k=torch.tensor(K), threshold=torch.tensor(-1.0))
            values = top_k(z.relu())
        else:
            state.update(b_dec=b_dec, k=torch.tensor(K), threshold=torch.tensor(0.7))
            if name.startswith("Matryoshka"):  # a transposed parameter: strides of columns
                state = {"W_enc": w_enc.T.contiguous().T, "W_dec": w_dec, "b_enc": b_enc, "b_dec": b_dec,
                         "k": torch.tensor(K), "threshold": torch.tensor(0.7), "group_sizes": torch.tensor([8, 16])}
            values = torch.where(z.relu() > 0.7, z, 0 * z)
        place = "dictionary-learning-" + name
        path = folder(place)
        torch.save(__import__("collections").OrderedDict(
            (k, v.detach() if isinstance(v, torch.nn.Parameter) and name != "AutoEncoder" else v) for k, v in state.items()),
            path + "/ae.pt")
        config(path, "config.json", {"trainer": {"dict_class": name, "activation_dim": D, "dict_size": F, "k": K, "layer": 1,
                                                 "lm_name": "tiny", "submodule_name": "resid_post_layer_1"},
                                     "buffer": {"ctx_len": 64, "io": "out"}})
        expect(place, x, values, "blocks.1.hook_resid_post")


if __name__ == "__main__":
    GENERATOR = torch.Generator().manual_seed(0)
    shutil.rmtree(HERE, ignore_errors=True)
    old_saelens()
    batchtopk()
    gemma_scope_2()
    circuit_tracer()
    sparsify()
    llama_scope()
    openmoss()
    gemma_scope_1()
    dictionary_learning()
    saelens()

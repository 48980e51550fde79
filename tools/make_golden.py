#!/usr/bin/env python3
"""Make the golden fixtures of the model room: tests/fixtures/models/NAME/.

Each fixture is a tiny seeded checkpoint, saved by Hugging Face transformers as the folder that a
user would have, and what transformers computes with it: logits, the value at every site, the
loss, and gradients. Reverie's tests load the folder and must agree.

Only needed to make fixtures anew; the tests read what is committed.

    python -m venv venv && venv/bin/pip install torch transformers safetensors gguf numpy
    venv/bin/python tools/make_golden.py                 # all of them
    venv/bin/python tools/make_golden.py llama-grouped   # some of them
    venv/bin/python tools/make_golden.py --list

tests/fixtures/models/README.md says what the files hold. How the values come about:

* The folder is written first, and then loaded again with from_pretrained (dtype "auto", eager
  attention), so that the judge reads exactly what is committed. Weights are then widened to
  float64. transformers keeps norms of the Llama kind, the softmax and the rotary tables in
  float32 even then, so the values carry an error of about 1e-7.
* Values inside the model are taken by hooks on transformers' own modules. Where the reference
  has no module for a site (the scale of a norm, the scores before the softmax, the output of one
  head) it is recomputed from its neighbours and the recomputation is checked: the normalised
  value times weight must give the norm's output, the softmax of the scores must give the
  attentions, the heads must sum to the attention's output, and so on.
* Sites have the names and the meaning of TransformerLens without weight processing.
"""

import argparse
import json
import math
import shutil
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from golden_fixtures import FIXTURES, draw_weights, save_folder
from golden_gguf import check_gguf, round_weights, write_gguf

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "tests" / "fixtures" / "models"
LENGTHS = (12, 17)


# ---- reading a transformers model from inside -----------------------------------------------------

class Layer:
    """The modules of one block under common names, and how its queries, keys and values lie."""

    def __init__(self, family, block):
        self.family = family
        self.block = block
        self.gated = False
        self.post_attn = self.post_mlp = None
        if family == "gpt2":
            self.ln1, self.ln2, self.mlp = block.ln_1, block.ln_2, block.mlp
            self.attn, self.out = block.attn, block.attn.c_proj
            self.qkv = [block.attn.c_attn]
            self.pre, self.down = block.mlp.c_fc, block.mlp.c_proj
            self.heads = self.groups = block.attn.num_heads
            self.size, self.scale = block.attn.head_dim, block.attn.scaling
        elif family == "gpt_neo":
            attn = block.attn.attention
            self.ln1, self.ln2, self.mlp = block.ln_1, block.ln_2, block.mlp
            self.attn, self.out = attn, attn.out_proj
            self.qkv = [attn.q_proj, attn.k_proj, attn.v_proj]
            self.pre, self.down = block.mlp.c_fc, block.mlp.c_proj
            self.heads = self.groups = attn.num_heads
            self.size, self.scale = attn.head_dim, 1.0
        elif family == "gpt_neox":
            self.ln1, self.ln2 = block.input_layernorm, block.post_attention_layernorm
            self.mlp, self.attn, self.out = block.mlp, block.attention, block.attention.dense
            self.qkv = [block.attention.query_key_value]
            self.pre, self.down = block.mlp.dense_h_to_4h, block.mlp.dense_4h_to_h
            self.size, self.scale = block.attention.head_size, block.attention.scaling
            self.heads = self.groups = block.attention.config.num_attention_heads
        else:  # the Llama kind
            attn = block.self_attn
            self.ln1, self.mlp, self.attn, self.out = block.input_layernorm, block.mlp, attn, attn.o_proj
            self.ln2 = block.post_attention_layernorm
            if family in ("gemma2", "gemma3_text"):
                self.ln2 = block.pre_feedforward_layernorm
                self.post_attn, self.post_mlp = block.post_attention_layernorm, block.post_feedforward_layernorm
            self.qkv = [attn.q_proj, attn.k_proj, attn.v_proj]
            self.gated, self.pre, self.up, self.down = True, block.mlp.gate_proj, block.mlp.up_proj, block.mlp.down_proj
            self.heads, self.groups = attn.config.num_attention_heads, attn.config.num_key_value_heads
            self.size, self.scale = attn.head_dim, attn.scaling

    def split(self, outputs):
        """Projection outputs (T, ...) to q (T, heads, size), k and v (T, groups, size)."""
        if self.family == "gpt2":
            return [x.unflatten(-1, (self.heads, self.size)) for x in outputs[0].chunk(3, -1)]
        if self.family == "gpt_neox":  # q, k, v lie inside each head
            return outputs[0].unflatten(-1, (self.heads, 3, self.size)).unbind(-2)
        return [x.unflatten(-1, (h, self.size)) for x, h in zip(outputs, (self.heads, self.groups, self.groups))]

    def out_weight(self):
        """(heads, size, D): what each head writes."""
        w = self.out.weight if self.family == "gpt2" else self.out.weight.T
        return w.unflatten(0, (self.heads, self.size))


class Judge:
    """A transformers model that reports the value at every site and gradients there."""

    def __init__(self, folder, family):
        self.family = family
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", attn_implementation="eager")
        self.model = model.double().eval().requires_grad_(False)
        base = model.model.language_model if hasattr(model.model if hasattr(model, "model") else model,
                                                     "language_model") else model.base_model
        self.base = base
        if family in ("gpt2", "gpt_neo"):
            self.embed, self.positions, blocks, self.ln_final = base.wte, base.wpe, base.h, base.ln_f
        elif family == "gpt_neox":
            self.embed, self.positions, blocks, self.ln_final = base.embed_in, None, base.layers, base.final_layer_norm
        else:
            self.embed, self.positions, blocks, self.ln_final = base.embed_tokens, None, base.layers, base.norm
        self.layers = [Layer(family, b) for b in blocks]
        self.parallel = family == "gpt_neox" and blocks[0].use_parallel_residual
        if family == "gpt2":  # computes the same in another order, but refuses float64
            for layer in self.layers:
                layer.attn.reorder_and_upcast_attn = False
        self.rotary = family not in ("gpt2", "gpt_neo")

    def windows(self):
        """How far each layer looks back, from the configuration; 0: everything."""
        config = self.base.config
        if self.family == "gpt_neo":
            return [config.window_size if kind == "local" else 0 for kind in config.attention_layers]
        kinds = getattr(config, "layer_types", None) or ["full_attention"] * len(self.layers)
        return [config.sliding_window if kind == "sliding_attention" else 0 for kind in kinds]

    def run(self, ids, embeds=None):
        """Returns (logits, raw): raw holds the modules' inputs and outputs, still in the graph."""
        raw, handles = {}, []

        def keep(key, module, pick):
            handles.append(module.register_forward_hook(
                lambda m, args, kwargs, out: raw.__setitem__(key, pick(args, kwargs, out)), with_kwargs=True))

        def first_in(args, kwargs, out):
            return args[0] if args else kwargs["hidden_states"]

        def first_out(args, kwargs, out):
            return out[0] if isinstance(out, tuple) else out

        if self.positions is not None:
            keep("pos", self.positions, first_out)
        for i, layer in enumerate(self.layers):
            keep(("pre", i), layer.block, first_in)
            keep(("post", i), layer.block, first_out)
            for name, module in (("ln1", layer.ln1), ("ln2", layer.ln2)):
                keep((name, "in", i), module, first_in)
                keep((name, "out", i), module, first_out)
            for j, module in enumerate(layer.qkv):
                keep(("qkv", j, i), module, first_out)
            keep(("attn", i), layer.post_attn or layer.out, first_out)
            keep(("heads", i), layer.out, first_out)
            keep(("mlp.pre", i), layer.pre, first_out)
            if layer.gated:
                keep(("mlp.up", i), layer.up, first_out)
            keep(("mlp.post", i), layer.down, first_in)
            keep(("mlp", i), layer.post_mlp or layer.mlp, first_out)
        keep(("ln_final", "in"), self.ln_final, first_in)
        keep(("ln_final", "out"), self.ln_final, first_out)
        restore = self.watch_attention(raw)
        try:
            if embeds is None:
                out = self.model(input_ids=torch.tensor([ids]), use_cache=False)
            else:
                out = self.model(inputs_embeds=embeds, use_cache=False)
        finally:
            restore()
            for handle in handles:
                handle.remove()
        return out.logits[0], raw

    def watch_attention(self, raw):
        """Wraps the reference's attention function: keeps rotated q and k, the pattern and z."""
        def record(index, q, k, pattern, z):
            raw[("attention", index)] = (q, k, pattern)
            raw[("z", index)] = z

        if self.family == "gpt_neo":
            cls = type(self.layers[0].attn)
            original = cls._attn

            def wrapped(module, query, key, value, attention_mask=None):
                z, pattern = original(module, query, key, value, attention_mask)
                record(module.layer_id, query, key, pattern, z)
                return z, pattern
            cls._attn = wrapped
            return lambda: setattr(cls, "_attn", original)

        code = sys.modules[type(self.layers[0].attn).__module__]
        original = code.eager_attention_forward

        def wrapped(module, query, key, value, *args, **kwargs):
            z, pattern = original(module, query, key, value, *args, **kwargs)
            record(module.layer_idx, query, key, pattern, z)
            return z, pattern
        code.eager_attention_forward = wrapped
        return lambda: setattr(code, "eager_attention_forward", original)

    def by_position(self, z):
        """(1, ...) as the reference lays it out, to (T, heads, size)."""
        return z[0].transpose(0, 1) if self.family == "gpt_neo" else z[0]

    def norm(self, module, x, out):
        """(scale, normalised): x centred (LayerNorm only), its root mean square, and the ratio.
        Weight and bias come after, as in TransformerLens."""
        layer_norm = isinstance(module, torch.nn.LayerNorm)
        eps = module.eps if hasattr(module, "eps") else module.variance_epsilon
        centred = x - x.mean(-1, keepdim=True) if layer_norm else x
        scale = (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
        normalised = centred / scale
        weight = 1 + module.weight if self.family in ("gemma2", "gemma3_text") else module.weight
        again = normalised * weight + (module.bias if layer_norm else 0)
        agree(again, out, "norm")
        return scale, normalised

    def sites(self, embeds, raw, results):
        """Every site by name, without the batch dimension, still in the graph."""
        s = {"hook_embed": embeds[0]}
        if self.positions is not None:
            s["hook_pos_embed"] = raw["pos"].reshape(embeds[0].shape)
        T = embeds.shape[1]
        distance = torch.arange(T)[:, None] - torch.arange(T)[None, :]
        for i, (layer, window) in enumerate(zip(self.layers, self.windows())):
            b = f"blocks.{i}."
            s[b + "hook_resid_pre"] = raw[("pre", i)][0]
            for name in ("ln1", "ln2"):
                x, out = raw[(name, "in", i)][0], raw[(name, "out", i)][0]
                s[b + name + ".hook_scale"], s[b + name + ".hook_normalized"] = self.norm(
                    getattr(layer, name), x, out)
            q, k, v = layer.split([raw[("qkv", j, i)][0] for j in range(len(layer.qkv))])
            s[b + "attn.hook_q"], s[b + "attn.hook_k"], s[b + "attn.hook_v"] = q, k, v
            rot_q, rot_k, pattern = (x[0] for x in raw[("attention", i)])
            z = self.by_position(raw[("z", i)])
            if self.rotary:
                s[b + "attn.hook_rot_q"], s[b + "attn.hook_rot_k"] = rot_q.transpose(0, 1), rot_k.transpose(0, 1)
            else:
                agree(rot_q.transpose(0, 1), q, "queries")
            shared = rot_k.repeat_interleave(layer.heads // layer.groups, 0)
            scores = rot_q @ shared.transpose(1, 2) * layer.scale
            if cap := getattr(layer.attn, "attn_logit_softcapping", None) if self.family == "gemma2" else None:
                scores = cap * (scores / cap).tanh()
            seen = (distance >= 0) & ((distance < window) if window else True)
            scores = scores.masked_fill(~seen, -math.inf)
            agree(scores.softmax(-1), pattern, "pattern")
            values = v.repeat_interleave(layer.heads // layer.groups, 1)
            agree(torch.einsum("hqk,khd->qhd", pattern, values), z, "z")
            s[b + "attn.hook_attn_scores"], s[b + "attn.hook_pattern"] = scores, pattern
            s[b + "attn.hook_z"] = z
            result = torch.einsum("thd,hdm->thm", z, layer.out_weight())
            agree(result.sum(1) + (0 if layer.out.bias is None else layer.out.bias), raw[("heads", i)][0], "heads")
            if results:
                s[b + "attn.hook_result"] = result
            s[b + "hook_attn_out"] = raw[("attn", i)][0]
            mid = raw[("ln2", "in", i)][0]
            s[b + "hook_mlp_in"] = mid
            if self.parallel:
                agree(mid, raw[("pre", i)][0], "parallel residual")
                agree(mid + raw[("attn", i)][0] + raw[("mlp", i)][0], raw[("post", i)][0], "parallel residual")
            else:
                s[b + "hook_resid_mid"] = mid
                agree(raw[("pre", i)][0] + raw[("attn", i)][0], mid, "residual")
                agree(mid + raw[("mlp", i)][0], raw[("post", i)][0], "residual")
            s[b + "mlp.hook_pre"] = raw[("mlp.pre", i)][0]
            if layer.gated:
                s[b + "mlp.hook_pre_linear"] = raw[("mlp.up", i)][0]
            s[b + "mlp.hook_post"] = raw[("mlp.post", i)].reshape(-1, raw[("mlp.post", i)].shape[-1])
            s[b + "hook_mlp_out"] = raw[("mlp", i)].reshape(embeds[0].shape)
            s[b + "hook_resid_post"] = raw[("post", i)][0]
        s["ln_final.hook_scale"], s["ln_final.hook_normalized"] = self.norm(
            self.ln_final, raw[("ln_final", "in")][0], raw[("ln_final", "out")][0])
        return s


def agree(a, b, what, tolerance=2e-6):
    worst = (a.double() - b.double()).abs().max().item() / max(b.abs().max().item(), 1e-30)
    if not worst < tolerance:
        raise SystemExit(f"the recomputed {what} disagrees with transformers: relative difference {worst:.2e}")


# ---- a fixture ------------------------------------------------------------------------------------

def cross_entropy(logits, ids):
    """Mean over positions 1..T-1 of -log p(token | tokens before it), in nats."""
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]))


def choose_neuron(judge, sequences):
    """The neuron of the last layer that is most active at the last position of every sequence."""
    layer = len(judge.layers) - 1
    values = [judge.run(ids)[1][("mlp.post", layer)].reshape(len(ids), -1)[-1].abs() for ids in sequences]
    return {"layer": layer, "index": int(torch.stack(values).min(0).values.argmax()), "position": -1}


def seed_coefficients(shape, values):
    """cos(0), cos(1), ... over the site's numbers in row-major order; 0 where masked."""
    c = torch.arange(values.numel(), dtype=torch.float64).cos().reshape(shape)
    return torch.where(values.isfinite(), c, 0.0)


def measure(judge, fixture):
    """Everything that golden.safetensors holds, and the lists that golden.json names."""
    sequences = fixture["ids"]
    neuron = choose_neuron(judge, sequences)
    golden, lists = {}, {}
    middle = len(judge.layers) // 2
    grad_sites = [f"blocks.{middle}." + name for name in
                  ("hook_resid_pre" if judge.parallel else "hook_resid_mid", "mlp.hook_post", "attn.hook_z")]
    for s, ids in enumerate(sequences):
        embeds = judge.embed(torch.tensor([ids])).detach().requires_grad_()
        logits, raw = judge.run(ids, embeds)
        agree(logits, judge.run(ids)[0], "logits from embeddings")
        sites = judge.sites(embeds, raw, fixture.get("results", False))
        loss = cross_entropy(logits, ids)
        active = sites[f"blocks.{neuron['layer']}.mlp.hook_post"][-1, neuron["index"]]

        def gradient(value, at=embeds):
            return torch.autograd.grad(value, at, retain_graph=True)[0]

        golden[f"{s}.logits"], golden[f"{s}.loss"] = logits, loss
        golden[f"{s}.neuron"] = active
        golden[f"{s}.grad_embed.neuron"] = gradient(active)[0]
        golden[f"{s}.grad_embed.loss"] = gradient(loss)[0]
        if s > 0:
            continue  # one sequence shows the inside
        for name, value in sites.items():
            golden[f"{s}.site.{name}"] = value
        for name in grad_sites:
            i = int(name.split(".")[1])
            tensor = {"hook_z": raw[("z", i)], "hook_post": raw[("mlp.post", i)],
                      "hook_resid_mid": raw[("ln2", "in", i)], "hook_resid_pre": raw[("pre", i)]}[name.rsplit(".", 1)[1]]
            g = gradient(loss, tensor)
            g = judge.by_position(g) if name.endswith("hook_z") else g
            golden[f"{s}.grad_site.{name}"] = g.reshape(sites[name].shape)
        seeds = [n for n in sites if not n.startswith("blocks.") or n.startswith(f"blocks.{len(judge.layers) - 1}.")]
        seeds = [n for n in seeds if n not in ("hook_embed", "hook_pos_embed")]
        for name in seeds:
            value = sites[name]
            c = seed_coefficients(value.shape, value)
            golden[f"{s}.grad_embed.seed.{name}"] = gradient((torch.where(c != 0, value, 0.0) * c).sum())[0]
        lists = {"sites": list(sites), "grad_sites": grad_sites, "seeds": seeds}
    if fixture.get("weight_gradients"):
        judge.model.requires_grad_(True)
        logits, _ = judge.run(sequences[0])
        cross_entropy(logits, sequences[0]).backward()
        for name, parameter in judge.model.named_parameters():
            if parameter.grad is not None:
                golden["grad_weight." + name] = parameter.grad
        judge.model.requires_grad_(False)
    return golden, lists, neuron


def make(fixture):
    folder = OUT / fixture["name"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(fixture["seed"])
    model = fixture["model"](fixture["config"]())
    draw_weights(model, generator)
    if fixture.get("round_as"):
        round_weights(model, fixture["round_as"])
    save_folder(model, folder, fixture)
    vocabulary = fixture.get("tokens", model.config.get_text_config().vocab_size)
    fixture["ids"] = [torch.randint(vocabulary, (n,), generator=generator).tolist()
                      for n in fixture.get("lengths", LENGTHS)]

    judge = Judge(folder, fixture["family"])
    golden, lists, neuron = measure(judge, fixture)
    save_file({k: v.detach().to(torch.float32).contiguous().clone() for k, v in golden.items()},
              folder / "golden.safetensors")
    about = {"covers": fixture["covers"], "family": fixture["family"], "ids": fixture["ids"],
             "neuron": neuron, **lists, "windows": judge.windows(),
             "weight_gradients": bool(fixture.get("weight_gradients")), "tolerance": 1e-4,
             "made_with": {"transformers": transformers.__version__, "torch": torch.__version__}}
    if fixture["family"] == "gemma3_text":
        about["embed_scale"] = float(judge.embed.embed_scale.double())
    if fixture.get("gguf"):
        write_gguf(folder / "model.gguf", judge.model, fixture)
        about["gguf"] = {"type": fixture["gguf"], **check_gguf(folder / "model.gguf", judge, fixture, golden)}
    (folder / "golden.json").write_text(json.dumps(about, indent=1) + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)
    attention = [golden[f"0.site.blocks.{i}.attn.hook_pattern"] for i in range(len(judge.layers))]
    peak = sum(p.max(-1).values[:, 4:].mean().item() for p in attention) / len(attention)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{fixture['name']:20s} {size / 1000:6.0f} kB   loss {golden['0.loss'].item():.3f}   "
          f"mean peak of attention {peak:.2f}   {about.get('gguf', '')}")


def main():
    parser = argparse.ArgumentParser(description="make tests/fixtures/models (needs torch and transformers)")
    parser.add_argument("names", nargs="*", help="fixtures to make; all of them when none is named")
    parser.add_argument("--list", action="store_true", help="print the names and what they cover")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    known = {f["name"] for f in FIXTURES}
    if unknown := set(args.names) - known:
        parser.error(f"no fixture named {', '.join(sorted(unknown))}; see --list")
    for fixture in FIXTURES:
        if args.list:
            print(f"{fixture['name']:20s} {'; '.join(fixture['covers'])}")
        elif not args.names or fixture["name"] in args.names:
            make(fixture)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes tests/fixtures/scores/*.json: what the published implementation says.

Judges: PyPI automated-interpretability 0.0.24 (package neuron_explainer) for levels, splits,
calibration, scores and expected values; scikit-learn for the area under the curve. delphi's
levels, which are rounded up, are restated here with numpy: (10 a / max).ceil().clamp(0, 10).

    pip install automated-interpretability==0.0.24 scikit-learn numpy
    tools/make_golden_scores.py
"""
import json
import math
import pathlib

import numpy as np
from neuron_explainer.activations.activation_records import (
    calculate_max_activation, non_zero_activation_proportion, normalize_activations)
from neuron_explainer.activations.activations import (
    ActivationRecord, ActivationRecordSliceParams, NeuronId, NeuronRecord)
from neuron_explainer.explanations.calibrated_simulator import LinearCalibratedNeuronSimulator
from neuron_explainer.explanations.explanations import (
    ActivationScale, ScoredSequenceSimulation, SequenceSimulation)
from neuron_explainer.explanations.jev_scorer import balanced_accuracy
from neuron_explainer.explanations.scoring import (
    absolute_dev_explained_score_from_sequences, aggregate_scored_sequence_simulations,
    correlation_score, rsquared_score_from_sequences)
from neuron_explainer.explanations.simulator import compute_predicted_activation_stats_for_token
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "scores"
rng = np.random.default_rng(20240207)


def number(x):
    """None for what is undefined."""
    return None if x is None or not math.isfinite(x) else float(x)


def write(name, value):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text("[\n" + ",\n".join(json.dumps(v) for v in value) + "\n]\n")


def activations(n, sparsity=0.7, scale=3.0):
    x = rng.normal(size=n) * scale
    return [round(float(v), 4) for v in np.where(rng.random(n) < sparsity, -0.17 * rng.random(n), x)]


def levels():
    cases = []
    for scale in (0.02, 1.0, 3.0, 250.0):
        a = activations(40, 0.3, scale)
        top = calculate_max_activation([ActivationRecord(["a"] * 40, a)])
        for maximum in (top, 0.5 * top, 1.3 * top):
            cases.append((a, maximum))
    cases.append(([i / 10 for i in range(11)], 1.0))  # exact borders
    cases.append(([i * 0.3 for i in range(11)], 3.0))
    cases.append(([-1.0, 0.0, 2.0], 0.0))
    cases.append(([-1.0, -2.0], -1.0))
    out = []
    for a, maximum in cases:
        up = np.clip(np.ceil(np.maximum(np.array(a), 0) * 10 / maximum), 0, 10) if maximum > 0 else np.zeros(len(a))
        records = [ActivationRecord(["a"] * len(a), a)]
        out.append({"activations": a, "maximum": maximum, "down": normalize_activations(a, maximum),
                    "up": [int(v) for v in up], "relu_maximum": calculate_max_activation(records),
                    "nonzero": non_zero_activation_proportion(records, maximum)})
    write("levels.json", out)


def splits():
    out = []
    for tops, randoms, per_split in ((4, 3, None), (23, 17, None), (20, 15, 5), (23, 17, 2), (50, 30, 5)):
        record = NeuronRecord(
            neuron_id=NeuronId(1, 2),
            most_positive_activation_records=[ActivationRecord([f"top{i}"], [1.0]) for i in range(tops)],
            random_sample=[ActivationRecord([f"random{i}"], [0.0]) for i in range(randoms)])
        params = ActivationRecordSliceParams(n_examples_per_split=per_split)
        case = {"tops": tops, "randoms": randoms, "per_split": per_split or 0}
        for name in ("train", "calibration", "valid", "test"):
            case[name] = [r.tokens[0] for r in getattr(record, f"{name}_activation_records")(params)]
        out.append(case)
    write("splits.json", out)


def scores():
    def case(pairs):
        sequences = []
        for real, simulated in pairs:
            simulation = SequenceSimulation(["a"] * len(real), simulated, ActivationScale.NEURON_ACTIVATIONS, [], [])
            sequences.append(ScoredSequenceSimulation(
                simulation, real, correlation_score(real, simulated), rsquared_score_from_sequences(real, simulated),
                absolute_dev_explained_score_from_sequences(real, simulated)))
        pooled = aggregate_scored_sequence_simulations(sequences)
        calibrated = LinearCalibratedNeuronSimulator(None)
        calibrated._calibrate_from_flattened_activations(
            np.concatenate([r for r, _ in pairs]), np.concatenate([s for _, s in pairs]))
        return {
            "real": [r for r, _ in pairs], "simulated": [s for _, s in pairs],
            "each": [[number(s.ev_correlation_score), number(s.rsquared_score),
                      number(s.absolute_dev_explained_score)] for s in sequences],
            "pooled": [number(pooled.ev_correlation_score), number(pooled.rsquared_score),
                       number(pooled.absolute_dev_explained_score)],
            "calibrated": calibrated.apply_calibration([0.0, 1.0, 3.7, 10.0])}

    def noisy(n, k, noise, offset=0.0):
        pairs = []
        for _ in range(k):
            real = activations(n)
            pairs.append(([r + offset for r in real],
                          [round(float(max(r, 0) + noise * rng.normal() + offset), 4) for r in real]))
        return pairs

    out = [case(noisy(30, 5, noise)) for noise in (0.05, 1.0, 5.0)]
    out.append(case(noisy(30, 3, 0.5, 1e5)))  # far from zero
    out.append(case(noisy(7, 1, 0.5)))
    out.append(case([(activations(20), [10 - float(v) for v in range(20)])]))
    out.append(case([([0.0] * 9, [1.0, 2.0, 3.0] * 3), ([0.0] * 9, [0.5] * 9)]))  # a silent neuron
    out.append(case([(activations(12), [0.0] * 12), (activations(12), [0.0] * 12)]))  # nothing simulated
    write("simulations.json", out)


def expected():
    tables = [
        {"0": -0.1, "1": -3.0, "unknown": -4.0, "10": -5.0},
        {"3": -20.0, "4": -20.5, "unknown": -0.001, " 4": -6.0},
        {"10": -0.5},
        {str(i): float(np.log((i + 1) / 66)) for i in range(11)}]
    out = []
    for table in tables:
        probabilities, value = compute_predicted_activation_stats_for_token(table)
        out.append({"top_logprobs": table, "expected": float(value),
                    "probabilities": [float(probabilities.get(i, 0.0)) for i in range(11)]})
    write("expected.json", out)


def classifications():
    out = []
    for n, ties in ((12, False), (40, False), (40, True), (101, True)):
        truth = [bool(v) for v in rng.random(n) < 0.4]
        truth[0], truth[1] = True, False
        p = np.clip(rng.normal(0.4, 0.25, n) + 0.2 * np.array(truth), 0, 1)
        p = [float(v) for v in (np.round(p, 1) if ties else np.round(p, 5))]
        predicted = [v > 0.5 for v in p]
        accuracy = balanced_accuracy(predicted, truth)
        assert abs(accuracy - balanced_accuracy_score(truth, predicted)) < 1e-12
        out.append({"truth": truth, "predicted": predicted, "probability": p, "accuracy": float(accuracy),
                    "area": float(roc_auc_score(truth, p))})
    write("classifications.json", out)


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        levels()
        splits()
        scores()
        expected()
        classifications()

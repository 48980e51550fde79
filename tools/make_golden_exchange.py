#!/usr/bin/env python3
"""Writes tests/fixtures/exchange/*: files as the neuron_explainer package writes them, and as the
published ones look (Python's json, with NaN and Infinity as bare words).

    pip install automated-interpretability==0.0.24
    tools/make_golden_exchange.py            # writes the fixtures
    tools/make_golden_exchange.py FILE...    # reads files of ours with the package and says what they are
"""
import dataclasses
import json
import math
import pathlib
import sys

from neuron_explainer.activations.activations import ActivationRecord, NeuronId, NeuronRecord
from neuron_explainer.explanations.explanations import (
    ActivationScale, NeuronSimulationResults, ScoredExplanation, ScoredSequenceSimulation, ScoredSimulation,
    SequenceSimulation)
from neuron_explainer.fast_dataclasses import dumps, loads

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "exchange"


def record(text, activations):
    return ActivationRecord(tokens=text, activations=activations)


def neuron():
    odd = ["\"", "\\", "NaN", " -Infinity", "\n", "\t", "é", "\U0001f600", "\u2581the", "\u0000"]
    return NeuronRecord(
        neuron_id=NeuronId(layer_index=5, neuron_index=131),
        random_sample=[record([f" r{i}", " b"], [0.0, -0.1 * i]) for i in range(6)],
        random_sample_by_quantile=[[record([" q"], [0.25])], [record([" q", " q"], [0.5, 0.75])]],
        quantile_boundaries=[0.0, 0.5],
        mean=0.1 + 0.2, variance=1e-17, skewness=math.nan, kurtosis=math.nan,
        most_positive_activation_records=[record(odd, [0.1 * i for i in range(10)])]
        + [record([" a", " b", " c"], [3.5 - i, 1 / 3, -2.0]) for i in range(3)])


def simulations():
    tokens = [" a", " b", " c"]
    raw = SequenceSimulation(tokens, [0.5, 9.25, 10.0], ActivationScale.SIMULATED_NORMALIZED_ACTIVATIONS,
                             [[0.0, 1.0], [9.0, 10.0], []], [[0.5, 0.5], [0.75, 0.25], []])
    calibrated = SequenceSimulation(tokens, [0.05, 0.925, 1.0], ActivationScale.NEURON_ACTIVATIONS,
                                    [[0.0, 0.1], [0.9, 1.0], []], [[0.5, 0.5], [0.75, 0.25], []], raw)
    flat = SequenceSimulation(tokens, [0.0, 0.0, 0.0], ActivationScale.SIMULATED_NORMALIZED_ACTIVATIONS, [], [])
    scored = [
        ScoredExplanation("words about rivers", ScoredSimulation(
            [ScoredSequenceSimulation(calibrated, [0.0, 1.0, 1.1], 0.98, 0.9, 0.8),
             ScoredSequenceSimulation(flat, [0.0, 0.0, 0.0], math.nan, math.nan, math.nan)],
            0.9, 0.8, 0.7)),
        ScoredExplanation("", ScoredSimulation([], None, None, None))]
    return NeuronSimulationResults(NeuronId(5, 131), scored)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "neuron.json").write_bytes(dumps(neuron()))
    (OUT / "neuron-python.json").write_text(json.dumps(dataclasses.asdict(neuron())))
    unnamed = json.loads(dumps(neuron()), object_hook=lambda d: {k: v for k, v in d.items() if k != "dataclass_name"})
    unnamed["mean"] = math.inf
    unnamed["most_positive_activation_records"][1]["activations"][1] = math.nan
    (OUT / "neuron-unnamed.json").write_text(json.dumps(unnamed, indent=1))
    (OUT / "results.jsonl").write_bytes(dumps(simulations()) + b"\n")
    (OUT / "explanation.json").write_bytes(dumps(simulations().scored_explanations[0]))
    for path in sorted(OUT.iterdir()):
        print(path.name, type(loads(path.read_text())).__name__)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        for name in sys.argv[1:]:
            print(name, type(loads(open(name).read())).__name__)
    else:
        main()

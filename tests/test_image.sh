#!/bin/sh
# reverie image as a user types it: what goes where, what it answers to mistakes.
cd "$(dirname "$0")/.." || exit 1
reverie=${BUILD:-build}/reverie
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
# expect CODE WORDS COMMAND...: the exit code, and words on stdout (0) or stderr (others).
expect() {
    code=$1 words=$2
    shift 2
    "$reverie" image "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    stream=err
    [ "$code" = 0 ] && stream=out
    if [ "$got" != "$code" ] || ! grep -qF -- "$words" "$folder/$stream"; then
        echo "image $*: expected exit $code and '$words', got $got:"
        cat "$folder/out" "$folder/err"
        failed=1
    fi
}
expect 0 'reverie image dream -o dreams' --help
expect 0 'the same command goes on where it stopped' train --help
expect 0 '--keep-neighbours DIR' dream --help
expect 2 'usage: reverie image train|dream'
expect 2 "unknown 'paint': expected train|dream" paint
expect 2 "cannot train 'cat': expected classifier, judge or autoencoder" train cat
expect 2 '--data is needed' train classifier
expect 1 'expected train-images-idx3-ubyte or' train classifier --data "$folder"
expect 2 '--class: expected a whole number from 0 to 9' dream --class 11
expect 2 'expected LAYER:INDEX such as relu2:7' dream --unit relu2
expect 1 "no folder assets/images/cifar" dream --set cifar
expect 1 "$folder/classifier.safetensors: cannot open" dream --weights "$folder"
cp assets/images/mnist/classifier.safetensors "$folder/judge.safetensors"
head -c 900 assets/images/mnist/classifier.safetensors >"$folder/classifier.safetensors"
expect 1 "$folder/classifier.safetensors" dream --weights "$folder"
rm "$folder"/*.safetensors
printf 'no images at all' >"$folder/train-images-idx3-ubyte"
printf 'no labels' >"$folder/train-labels-idx1-ubyte"
expect 1 'train-images-idx3-ubyte: magic: expected 00000803' train judge --data "$folder"
expect 0 '"method":"latent"' dream --class 4 --starts 1 --steps 2 --json
[ "$(wc -l <"$folder/out")" = 4 ] || { echo "expected what all share and three dreams"; failed=1; }
expect 0 'nearest of' dream --class 4 --starts 1 --steps 2 -o "$folder/a/b"
[ -s "$folder/a/b/dreams.html" ] || { echo "expected a page"; failed=1; }
# the page comes from the records alone
"$reverie" report "$folder/a/b/dreams.jsonl" -o "$folder/again.html" 2>/dev/null
cmp "$folder/again.html" "$folder/a/b/dreams.html" || failed=1
# told at once: a dream of all classes with so many steps would take minutes
expect 1 "$folder/a/b/none/" dream --steps 100000 -o "$folder/a/b/none/page.html"
expect 1 'dreams.html/x' dream --steps 100000 -o "$folder/a/b/dreams.html/x"
exit $failed

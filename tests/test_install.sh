#!/bin/sh
# What `make install` puts in place is enough for a stranger: the example programs compile with nothing
# but pkg-config, against the shared library and against the static one, and run.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
failed=0
fail() { echo "not so: $1"; failed=1; }

env -u MAKEFLAGS -u MAKELEVEL make -s install BUILD="$build" DESTDIR="$there" PREFIX=/usr >/dev/null
export PKG_CONFIG_PATH="$there/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$there"
# A sanitized library needs sanitized programs.
cc="${CC:-cc}${SANITIZE:+ -fsanitize=$SANITIZE}"
# --static would want static libraries of everything below libcurl; the shared ones will do.
# shellcheck disable=SC2046
below=$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --libs $(pkg-config --print-requires-private reverie))
for source in "$there"/usr/share/doc/reverie/examples/*.c; do
    # shellcheck disable=SC2046
    $cc -std=c99 -Wall -Werror -o "$there/shared" "$source" $(pkg-config --cflags --libs reverie)
    # shellcheck disable=SC2086
    $cc -o "$there/static" "$source" -I"$there/usr/include" "$there/usr/lib/libreverie.a" $below -fopenmp -lm -lpthread
    for program in shared static; do
        said=$(LD_LIBRARY_PATH="$there/usr/lib" "$there/$program" 2>&1) && code=0 || code=$?
        [ "$code" = 2 ] || fail "$source, $program: exit $code"
        case $said in usage:*) ;; *) fail "$source, $program said: $said" ;; esac
    done
done
[ -x "$there/shared" ] || fail 'no example was installed'
[ "$("$there/usr/bin/reverie" version)" = "$("$build/reverie" version)" ] || fail 'the tool that was installed'
page="$there/usr/share/man/man1/reverie.1" completion="$there/usr/share/bash-completion/completions/reverie"
complete_words() { # the words before the cursor, the last one unfinished
    bash -uc '. "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _reverie; echo ${COMPREPLY[*]}' "$completion" "$@"
}
[ "$(complete_words reverie dr)" = dream ] || fail 'completion of a command'
[ "$(complete_words reverie image tr)" = train ] || fail 'completion of a part of a command'
[ "$(complete_words reverie dream smollm2-135m L1.N2 --corpus-)" = --corpus-tokens ] || fail 'completion of an option'
[ "$(complete_words reverie image train --see)" = --seed ] || fail 'completion of an option of a part'
[ -z "$(complete_words reverie report dr)" ] || fail 'completion of a file'
for name in $(complete_words reverie '') 'image dream' 'autoencoder eval'; do
    grep -q "^\.SS \"reverie $name\"" "$page" || fail "the man page knows no $name"
    # shellcheck disable=SC2086
    for option in $("$build/reverie" $name --help | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
        [ "$option" = --help ] || grep -q -- "$(printf %s "$option" | sed 's/-/\\\\-/g')" "$page" ||
            fail "the man page knows no $name $option"
    done
done
! command -v man >/dev/null || [ -z "$(LC_ALL=C man --warnings "$page" 2>&1 >/dev/null)" ] || fail 'the man page has errors'

for file in assets/autoencoders/*.safetensors; do
    name=$(basename "$file" .safetensors)
    cmp -s "$file" "$there/usr/share/reverie/autoencoders/$name.safetensors" || fail "$file is not installed"
    head -c 20000 "$file" | grep -aq "\"subject_hash\":\"$name" || fail "$file is of another model than its name says"
    [ "$(wc -c <"$file")" -lt 40000000 ] || fail "$file is too large to ship"
done
foreign=$(nm -D --defined-only "$there"/usr/lib/libreverie.so | awk '$2 ~ /[A-Z]/ && $3 !~ /^(.gomp_critical_user_|__odr_asan_gen_|__odr_asan.)?rv_/ {print $3}')
[ -z "$foreign" ] || fail "exported besides rv_*: $foreign"
exit $failed

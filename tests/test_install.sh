#!/bin/sh
# What `make install` puts in place is enough for a stranger: a program of his own compiles with nothing
# but pkg-config, against the shared library and against the static one, and runs.
set -eu
[ -z "${SANITIZE:-}" ] || { echo 'programs without sanitizers cannot link the sanitized library'; exit 77; }
cd "$(dirname "$0")/.."
build=${BUILD:-build}
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
failed=0
fail() { echo "not so: $1"; failed=1; }

env -u MAKEFLAGS -u MAKELEVEL make -s install BUILD="$build" DESTDIR="$there" PREFIX=/usr >/dev/null
cat >"$there/mine.c" <<'END'
#include <reverie/reverie.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    rv_error err;
    rv_model *model;
    rv_status status = rv_model_open(&model, argv[argc - 1], NULL, &err);
    if (status != RV_OK) return puts(err.message), 3;
    rv_model_close(model);
    return 0;
}
END
export PKG_CONFIG_PATH="$there/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$there"
cc=${CC:-cc}
# shellcheck disable=SC2046
$cc -std=c99 -Wall -Werror -o "$there/shared" "$there/mine.c" $(pkg-config --cflags --libs reverie)
# --static would want static libraries of everything below libcurl; the shared ones will do.
below=$(pkg-config --print-requires-private reverie)
# shellcheck disable=SC2046,SC2086
$cc -o "$there/static" "$there/mine.c" -I"$there/usr/include" "$there/usr/lib/libreverie.a" \
    $(PKG_CONFIG_SYSROOT_DIR='' pkg-config --libs $below) -fopenmp -lm -lpthread
for program in shared static; do
    said=$(LD_LIBRARY_PATH="$there/usr/lib" "$there/$program" "$there/none.gguf") && code=0 || code=$?
    [ "$code" = 3 ] || fail "$program: exit $code"
    case $said in *none.gguf*) ;; *) fail "$program said: $said" ;; esac
done
[ "$("$there/usr/bin/reverie" version)" = "$("$build/reverie" version)" ] || fail 'the tool that was installed'
for file in assets/autoencoders/*.safetensors; do
    name=$(basename "$file" .safetensors)
    cmp -s "$file" "$there/usr/share/reverie/autoencoders/$name.safetensors" || fail "$file is not installed"
    head -c 20000 "$file" | grep -aq "\"subject_hash\":\"$name" || fail "$file is of another model than its name says"
    [ "$(wc -c <"$file")" -lt 40000000 ] || fail "$file is too large to ship"
done
foreign=$(nm -D --defined-only "$there"/usr/lib/libreverie.so.0 | awk '$2 ~ /[A-Z]/ && $3 !~ /^(.gomp_critical_user_)?rv_/ {print $3}')
[ -z "$foreign" ] || fail "exported besides rv_*: $foreign"
exit $failed

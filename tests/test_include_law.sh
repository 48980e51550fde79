#!/bin/sh
# Holds every #include under src/ against tests/include_law.txt, and the law against circles.
cd "$(dirname "$0")/.." || exit 1
grep -nE '^#include "' -r src | awk -F'[:"]' '
    BEGIN {
        while ((getline line < "tests/include_law.txt") > 0) {
            if (line ~ /^#/ || line == "") continue
            split(line, half, ":"); law[half[1]] = " " half[1] " " half[2] " "; laws++
            words = split(half[2], above, " ")
            for (i = 1; i <= words; i++)
                if (!(above[i] in law) && above[i] !~ /\.h$/) {
                    print "tests/include_law.txt: " half[1] " may not stand above " above[i]; bad = 1
                }
        }
    }
    {
        split($1, path, "/"); room = path[2]
        split($4, target, "/"); wanted = target[1]
        checked++
        if (!(room in law)) { print $1 ":" $2 ": room " room " is not in tests/include_law.txt"; bad = 1 }
        else if (wanted != "reverie" && index(law[room], " " wanted " ") == 0) {
            print $1 ":" $2 ": " room " may not include " wanted " (" $4 ")"; bad = 1
        }
    }
    END {
        print checked " includes checked against " laws " laws"
        exit bad || checked == 0 || laws == 0
    }'

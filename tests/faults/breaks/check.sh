#!/bin/sh
# Shows that the suite of faults goes red when a rule of the runtime or the engine is broken, and green when none is.
# Each *.patch here breaks one rule; its line `Round: KIND SEED` names the kind that has to notice within three rounds.
# Works on a copy of the tree, uncommitted changes included, with a target folder of its own that is kept for the next
# time; nothing of the tree itself is touched.
#
#     tests/faults/breaks/check.sh                # all of them
#     tests/faults/breaks/check.sh stable-end     # one
#
# Exit code 0: all green without, all red with their breaks. 1: something is not. 2: a patch does not apply or build.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=${BREAKS_DIR:-$root/target/breaks}
tree=$work/tree
export CARGO_TARGET_DIR="$work/target" RUST_BACKTRACE=0
rounds=3

# suite KIND SEED LOG: one round. 0: passed, 1: failed; anything else says nothing and ends the script.
suite() {
    if cargo test --locked --test faults -- --kind "$1" --rounds 1 --seed "$2" >>"$3" 2>&1; then return 0; fi
    if tail -n 20 "$3" | grep -Eq "^$1 +[a-z]+ +0 passed, 1 failed"; then return 1; fi
    echo "  $1 --seed $2 says nothing, see $3"
    exit 2
}

build() {
    cargo test --locked --test faults --no-run >"$1" 2>&1 || { echo "  it does not build, see $1"; exit 2; }
}

rm -rf "$tree"
mkdir -p "$tree" "$work/logs"
# As new files: what an interrupted run built from a broken one must not pass for what is built from the tree.
(cd "$root" && git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -m -C "$tree")
cd "$tree"
# Patches are relative to this, not to the repository around it.
git init -q .
if [ -d "$root/target/tmp" ]; then
    mkdir -p "$CARGO_TARGET_DIR/tmp"
    cp -a -n "$root"/target/tmp/kafka-* "$CARGO_TARGET_DIR/tmp/" 2>/dev/null || true
fi

breaks=${*:-$(cd "$here" && ls -- *.patch)}
for name in $breaks; do
    name=${name%.patch}
    git apply --check "$here/$name.patch" || { echo "$name does not apply"; exit 2; }
    grep -Eq '^Round: [a-z0-9-]+ [0-9]+$' "$here/$name.patch" || { echo "$name names no round"; exit 2; }
done

wrong=0
began=$(date +%s)
build "$work/logs/build.log"
for name in $breaks; do
    name=${name%.patch}
    read -r _ kind seed <<END
$(grep '^Round: ' "$here/$name.patch")
END
    log=$work/logs/$name.log
    : >"$log"
    if suite "$kind" "$seed" "$log"; then
        echo "$name: green without it ($kind --seed $seed)"
    else
        echo "$name: RED WITHOUT IT ($kind --seed $seed), see $log"
        wrong=1
    fi
done
for name in $breaks; do
    name=${name%.patch}
    read -r _ kind seed <<END
$(grep '^Round: ' "$here/$name.patch")
END
    log=$work/logs/$name.log
    git apply "$here/$name.patch"
    build "$work/logs/$name.build.log"
    red=
    for round in $(seq 0 $((rounds - 1))); do
        if ! suite "$kind" $((seed + round)) "$log"; then
            red=$((round + 1))
            break
        fi
    done
    git apply -R "$here/$name.patch"
    if [ -n "$red" ]; then
        echo "$name: red in round $red ($kind): $(grep -A1 "^thread 'main'.* panicked" "$log" | tail -n 1 | cut -c 1-200)"
    else
        echo "$name: GREEN WITH IT in $rounds rounds ($kind), see $log"
        wrong=1
    fi
done
echo "took $(($(date +%s) - began)) s"
exit $wrong

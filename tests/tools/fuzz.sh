#!/usr/bin/env bash
# Fuzzes every parser in turn and counts.
#
#   bash tests/tools/fuzz.sh                    240 seconds of each target
#   bash tests/tools/fuzz.sh -s 60 model idx    60 seconds of these
#   bash tests/tools/fuzz.sh --minimise         the fewest files that reach all, into tests/fuzz/corpus
#   bash tests/tools/fuzz.sh --coverage         lines of the parsers that the corpora reach
#
# Needs a nightly toolchain and cargo-fuzz (`cargo install cargo-fuzz`); coverage needs
# llvm-profdata and llvm-cov of the same LLVM ($LLVM names their folder). Executions are
# added up in tests/fuzz/target/executions.txt. $FUZZ_RUN is put before each run, e.g.
# FUZZ_RUN="nice -n 15".
set -euo pipefail
cd "$(dirname "$0")/../.."

all=(idx gzip archive files raster model weights checkpoint packed support recipe suite picture records requests)
for extra in tests/fuzz/fuzz_targets/*.rs; do
  name=$(basename "$extra" .rs)
  [[ " ${all[*]} " == *" $name "* ]] || all+=("$name")
done
seconds=240
mode=fuzz
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    -s) seconds=$2; shift 2 ;;
    --minimise) mode=minimise; shift ;;
    --coverage) mode=coverage; shift ;;
    *) targets+=("$1"); shift ;;
  esac
done
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")
read -ra before <<<"${FUZZ_RUN:-}"
host=$(rustc -vV | sed -n 's/^host: //p')
built=tests/fuzz/target/$host/release
count=tests/fuzz/target/executions.txt

# The longest input of a target: what its seeds need, and little more.
longest() {
  case $1 in
    idx | gzip | archive | picture | raster) echo 2048 ;;
    files | onnx) echo 16384 ;;
    recipe) echo 512 ;;
    suite) echo 16384 ;;
    *) echo 4096 ;;
  esac
}

if [ "$mode" = coverage ]; then
  llvm=${LLVM:+$LLVM/}
  dir=tests/fuzz/target/coverage
  rm -rf "$dir" && mkdir -p "$dir"
  # The same parsing as in the fuzzers, by the test that replays the corpora.
  export CARGO_TARGET_DIR=$dir/build CARGO_PROFILE_DEV_OPT_LEVEL=0
  # Names are left as they are: not every build of the LLVM tools reads compressed ones.
  export RUSTFLAGS="-C instrument-coverage -C llvm-args=--enable-name-compression=false"
  # What runs while building leaves its own profiles.
  test=$(LLVM_PROFILE_FILE="$dir/build-%p.raw" "${before[@]}" cargo test --no-run --message-format=json --test hostile_files 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*hostile_files[^"]*\)".*/\1/p' | tail -1)
  LLVM_PROFILE_FILE="$dir/%p.profraw" "${before[@]}" "$test" corpora_and_regressions
  "${llvm}llvm-profdata" merge -sparse "$dir"/*.profraw -o "$dir/all.profdata"
  "${llvm}llvm-cov" export "$test" -instr-profile "$dir/all.profdata" -format=lcov >"$dir/lcov.info"
  python3 tests/tools/parser_lines.py "$dir/lcov.info"
  exit
fi

# Optimised code has fewer edges than the source: which files are kept is told by the other.
# And a block whose neighbours tell of it is counted like any other.
profile=()
if [ "$mode" = minimise ]; then
  profile=(--dev) built=tests/fuzz/target/$host/debug
  export RUSTFLAGS="${RUSTFLAGS:-} -Cllvm-args=-sanitizer-coverage-prune-blocks=0"
fi
"${before[@]}" cargo +nightly fuzz build "${profile[@]}" --fuzz-dir tests/fuzz -s none
for target in "${targets[@]}"; do
  work=tests/fuzz/target/corpus/$target
  known=tests/fuzz/corpus/$target
  found=tests/fuzz/target/found/$target
  mkdir -p "$work" "$found" "$known"
  if [ "$mode" = minimise ]; then
    # The corpus is made anew of the fewest files that reach every edge that is known.
    mkdir -p "$known.new"
    "${before[@]}" "$built/$target" -set_cover_merge=1 -use_counters=0 -rss_limit_mb=2048 "$known.new" "$known" "$work" 2>&1 | tail -1
    rm -r "$known" && mv "$known.new" "$known"
    continue
  fi
  log=$(mktemp)
  dict=()
  [ -e "tests/fuzz/dict/$target.dict" ] && dict=("-dict=tests/fuzz/dict/$target.dict")
  status=0
  "${before[@]}" "$built/$target" "$work" "$known" "${dict[@]}" -max_total_time="$seconds" \
    -max_len="$(longest "$target")" -rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=10 \
    -artifact_prefix="$found/" -print_final_stats=1 >"$log" 2>&1 || status=$?
  done=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  echo "$target ${done:-0}" >>"$count"
  echo "$target: ${done:-0} executions in ${seconds} s$([ $status = 0 ] || echo ", FAILED, see $found")"
  [ $status = 0 ] || tail -30 "$log"
  rm "$log"
done
[ "$mode" = minimise ] || awk '{ n[$1] += $2 } END { for (t in n) print t, n[t] }' "$count" | sort

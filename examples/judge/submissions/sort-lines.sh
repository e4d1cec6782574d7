# Sorts a million lines by their text.
set -e
export LC_ALL=C
seq 1000000 -1 1 | sort > sorted
sort -c sorted
echo "$(wc -l < sorted) lines, the last is $(tail -n 1 sorted)"

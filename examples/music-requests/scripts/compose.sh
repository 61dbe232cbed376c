#!/bin/sh
# Composes a piece and writes it as a WAV file: compose.sh SECONDS major|minor SEED FILE
#
# 8 kHz, 16 bit, one voice, nothing but sh and awk. Each second is a bar; between two bars the composer
# takes $MUSIC_PAUSE seconds, which is 0.5 if nobody says otherwise.
set -eu
seconds=$1 mode=$2 seed=$3 file=$4
rate=8000
bytes=$((seconds * rate * 2))

# Prints bytes as the escapes that printf turns into bytes. Both ends are little-endian.
le() {
    awk -v value="$1" -v count="$2" 'BEGIN {
        for (i = 0; i < count; i++) { printf "\\%03o", value % 256; value = int(value / 256) }
    }'
}

header() {
    printf 'RIFF'
    printf "$(le $((bytes + 36)) 4)"
    printf 'WAVEfmt '
    printf "$(le 16 4)$(le 1 2)$(le 1 2)$(le $rate 4)$(le $((rate * 2)) 4)$(le 2 2)$(le 16 2)"
    printf 'data'
    printf "$(le "$bytes" 4)"
}

# Prints one bar of four notes. The seed and the bar decide which, the mode decides out of which.
bar() {
    LC_ALL=C awk -v rate="$rate" -v mode="$mode" -v seed="$seed" -v bar="$1" '
        function next_random() { state = (state * 16807) % 2147483647; return state / 2147483647 }
        BEGIN {
            split(mode == "minor" ? "0 3 5 7 10 12" : "0 2 4 7 9 12", steps, " ")
            state = (seed * 31 + bar * 1009 + 7) % 2147483646 + 1
            for (i = 0; i < 5; i++) next_random()
            length_of_note = rate / 4
            for (note = 0; note < 4; note++) {
                frequency = 220 * 2 ^ (steps[int(next_random() * 6) + 1] / 12)
                turn = 6.283185307179586 * frequency / rate
                for (i = 0; i < length_of_note; i++) {
                    loudness = 9000 * (1 - i / length_of_note) * (i < 80 ? i / 80 : 1)
                    sample = int(loudness * (sin(turn * i) + sin(2 * turn * i) / 2 + sin(3 * turn * i) / 4))
                    if (sample < 0) sample += 65536
                    printf "\\%03o\\%03o", sample % 256, int(sample / 256)
                }
            }
        }'
}

header > "$file"
number=1
while [ "$number" -le "$seconds" ]; do
    printf "$(bar "$number")" >> "$file"
    echo "bar $number of $seconds"
    sleep "${MUSIC_PAUSE:-0.5}"
    number=$((number + 1))
done

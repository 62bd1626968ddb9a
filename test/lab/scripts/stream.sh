# Says $1 bytes.
head -c "$1" /dev/zero

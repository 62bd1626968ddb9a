#!/bin/sh
# Inside the bare root: the two commands of the README. Arguments: what of the tests; none: all of them.
set -eu
cd /work
echo '=== npm ci && npm run demo'
npm ci
npm run demo
echo '=== npm ci && npm test'
npm ci
npm test -- "$@"

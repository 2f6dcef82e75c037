#!/bin/sh
# Generates src/events/gen from the .proto file. Needed only after that file was changed; the result is committed.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
npm install --silent --no-save --prefix "$tools" @bufbuild/buf@1.75.0 @bufbuild/protoc-gen-es@2.17.0
cat >"$tools/buf.gen.yaml" <<EOF
version: v2
clean: true
plugins:
  - local: $tools/node_modules/.bin/protoc-gen-es
    out: src/events/gen
    opt: [target=ts, import_extension=ts]
EOF
"$tools/node_modules/.bin/buf" generate --template "$tools/buf.gen.yaml" src/events/proto

#!/bin/sh
# Fetches the wasm build of PDFium that is embedded here and packs it. Needs npm, tar, zstd and sha256sum.
# For another version change it here and, after a look at what came, the hash below and in wasm.go.
set -eu
version=2.15.1
sum=5e4cd023c3dad4a895b3571ca573d3fc51bac6de48360d95283134385b954eaa

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm pack --silent "@embedpdf/pdfium@$version" >/dev/null
tar -xzf ./*.tgz
echo "$sum  package/dist/pdfium.wasm" | sha256sum -c -
zstd -q -f --ultra -22 package/dist/pdfium.wasm -o "$here/pdfium.wasm.zst"
cp package/LICENSE package/LICENSE.pdfium "$here/"

// Package wasm holds PDFium, compiled to WebAssembly by the makers of the npm package @embedpdf/pdfium.
//
// The licence of the build is in LICENSE, that of PDFium in LICENSE.pdfium; both come from the package. NOTICE names what
// else is in it. fetch.sh made pdfium.wasm.zst from the package.
//
// Invariants:
//
//	B1: what Module answers is the build that was looked at, byte for byte, or it is an error.
package wasm

import (
	"crypto/sha256"
	_ "embed" // the module
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Version is that of the npm package.
const Version = "2.15.1"

const (
	sum  = "5e4cd023c3dad4a895b3571ca573d3fc51bac6de48360d95283134385b954eaa" // sha256 of the unpacked module
	size = 4646932                                                            // bytes of it
)

//go:embed pdfium.wasm.zst
var packed []byte

//go:embed LICENSE
var licence string

//go:embed LICENSE.pdfium
var licencePDFium string

//go:embed NOTICE
var notice string

// ErrDamaged is answered for a module that is not the one that was packed.
var ErrDamaged = errors.New("the embedded pdfium module is damaged")

// Module unpacks the module and checks it (B1). It takes some 10 ms and is not kept.
func Module() ([]byte, error) { return unpack(packed) }

// Licences answers the licence texts of what is embedded, by the names of their files.
func Licences() map[string]string {
	return map[string]string{"LICENSE": licence, "LICENSE.pdfium": licencePDFium, "NOTICE": notice}
}

func unpack(packed []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer dec.Close()
	module, err := dec.DecodeAll(packed, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if got := sha256.Sum256(module); hex.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("%w: sha256 is %x", ErrDamaged, got)
	}
	return module, nil
}

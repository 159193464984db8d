package wasm

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestB1ModuleIsTheOneThatWasPacked(t *testing.T) {
	module, err := Module()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(module, []byte("\x00asm\x01\x00\x00\x00")) {
		t.Fatalf("begins with % x", module[:8])
	}
	flipped := slices.Clone(packed)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{
		"flipped": flipped, "cut": packed[:len(packed)/2], "empty": nil, "no zstd": []byte("pdfium"),
	} {
		if _, err := unpack(bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLicencesAreThere(t *testing.T) {
	texts := Licences()
	if !strings.Contains(texts["LICENSE"], "MIT License") || !strings.Contains(texts["LICENSE.pdfium"], "PDFium Authors") {
		t.Fatal("a licence text is missing")
	}
}

package pdf

import (
	"bytes"
	"compress/zlib"
	"io"
	"os/exec"
	"testing"
)

// need skips a test where a program is missing.
func need(t testing.TB, program string) {
	t.Helper()
	if !has(program) {
		t.Skipf("%s is not installed", program)
	}
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// inflated is what a stream holds.
func inflated(o object) []byte {
	r, err := zlib.NewReader(bytes.NewReader(o.stream))
	if err != nil {
		return o.stream
	}
	b, _ := io.ReadAll(r)
	return b
}

func command(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

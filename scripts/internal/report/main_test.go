package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	in := `{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"=== RUN   A\n"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"B","Output":"    b_test.go:1: broken\n"}
{"Action":"fail","Package":"p","Test":"B"}
{"Action":"output","Package":"p","Test":"C","Output":"--- SKIP: C\n"}
{"Action":"output","Package":"p","Test":"C","Output":"    c_test.go:1: no device\n"}
{"Action":"skip","Package":"p","Test":"C"}
{"Action":"fail","Package":"p","Elapsed":1.5}
{"ImportPath":"q","Action":"build-output","Output":"q.go:1: syntax\n"}
not json
{"Action":"output","Package":"q","Output":"panic: gone\n"}
{"Action":"fail","Package":"q"}
{"Action":"pass","Package":"r","Elapsed":0.1}
`
	var out strings.Builder
	n, err := run(strings.NewReader(in), &out)
	if err != nil {
		t.Fatal(err)
	}
	if n != (counts{1, 2, 1}) {
		t.Errorf("counts %+v, want 1 passed, 2 failed (B, and q, which died), 1 skipped", n)
	}
	for _, want := range []string{"--- p B", "broken", "skip  C: c_test.go:1: no device", "FAIL  p", "FAIL  q", "panic: gone", "ok    r", "not json"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output misses %q:\n%s", want, out.String())
		}
	}
}

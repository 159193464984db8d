package pdf

import (
	"fmt"
	"os"
	"testing"
	"time"
	"path/filepath"
	"syscall"
)

func cpu() time.Duration { var r syscall.Rusage; syscall.Getrusage(0, &r); return time.Duration(r.Utime.Nano()+r.Stime.Nano()) }

func TestZZ(t *testing.T) {
	D := "/tmp/tmp.IvKHxYbuli"
	doc, _ := os.ReadFile(D + "/bd/usr/share/doc/bash/bashref.pdf")
	mustRun(t, "txt,page=1", doc)
	c := cpu(); t0 := time.Now()
	n := 0
	for i := range 40 {
		out := mustRun(t, fmt.Sprintf("png,page=%d", i+1), doc)
		n += len(out)
		if i == 9 { os.WriteFile(filepath.Join(D, "p10.png"), out, 0o600) }
	}
	fmt.Println("40 png", cpu()-c, time.Since(t0), n)
	c = cpu(); t0 = time.Now()
	for i := range 40 {
		mustRun(t, fmt.Sprintf("bmp,page=%d", i+1), doc)
	}
	fmt.Println("40 bmp", cpu()-c, time.Since(t0))
	c = cpu(); t0 = time.Now()
	os.WriteFile(filepath.Join(D, "b.txt"), mustRun(t, "txt", doc), 0o600)
	fmt.Println("txt", cpu()-c, time.Since(t0))
}

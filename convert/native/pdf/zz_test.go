package pdf
import ("testing";"time";"fmt";"os";"syscall")
func cpu() time.Duration { var r syscall.Rusage; _ = syscall.Getrusage(0, &r); return time.Duration(r.Utime.Nano()+r.Stime.Nano()) }
func TestZZ(t *testing.T) {
	doc, _ := os.ReadFile("/tmp/tmp.IvKHxYbuli/bd/usr/share/doc/bash/bashref.pdf")
	keep := shared
	for _, un := range []bool{false, true} {
		shared = New(Config{Unchecked: un})
		c := cpu()
		mustRun(t, "txt,page=1", doc)
		fmt.Println(un, "compile", cpu()-c)
		for _, f := range []string{"png", "bmp"} {
			c = cpu()
			for i := range 40 { mustRun(t, fmt.Sprintf("%s,page=%d", f, i+1), doc) }
			fmt.Println(un, "40", f, cpu()-c)
		}
		c = cpu()
		mustRun(t, "txt", doc)
		fmt.Println(un, "txt", cpu()-c)
		c = cpu()
		mustRun(t, "merge", doc, doc)
		fmt.Println(un, "merge", cpu()-c)
		_ = shared.Close()
	}
	shared = keep
}

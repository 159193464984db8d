package refresh

import (
	"fmt"
	"testing"
)

// BenchmarkMerge merges a listing of 100,000 assets in which nothing is new, and one in which everything is.
func BenchmarkMerge(b *testing.B) {
	for name, known := range map[string]bool{"known": true, "new": false} {
		b.Run(name, func(b *testing.B) {
			in := Input{Complete: true, Host: "box", Now: noon}
			for i := range 100_000 {
				a := asset(fmt.Sprintf("%06d", i), fmt.Sprintf("dir%d/sub%d/file%d.txt", i%10, i%100, i), int64(i+1))
				in.Assets = append(in.Assets, a)
				if known {
					in.Bases = append(in.Bases, Base{Asset: a, Bound: int64(i + 1)})
					in.Locals = append(in.Locals, Local{Entry: int64(i + 1), Wire: a.Name})
				}
			}
			for b.Loop() {
				if n := len(Merge(in)); n != 0 && known || n != 100_000 && !known {
					b.Fatalf("%d actions", n)
				}
			}
		})
	}
}

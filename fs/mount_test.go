//go:build linux

package fs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// knownMissing are tests of go-fuse's suite that ask for what a disk of this kind does not promise.
var knownMissing = map[string]string{
	"FcntlFlockLocksFile": "asks that POSIX locks of one process exclude each other, which they do on no local disk",
}

func TestPosixtest(t *testing.T) {
	d := startDaemon(t, daemonSpec{})
	for name, fn := range posixtest.All {
		t.Run(name, func(t *testing.T) {
			if why, ok := knownMissing[name]; ok {
				t.Skip(why)
			}
			dir := filepath.Join(d.dir, name)
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			fn(t, dir)
		})
	}
}

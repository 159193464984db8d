//go:build linux

package e2e

import (
	"os/exec"
	"testing"
	"time"
)

// TestTools has programs use the disk in the ways that network disks break on: several writers of one log, programs and
// libraries that run from it, programs that check what they read back.
func TestTools(t *testing.T) {
	m := newMachine(t)
	mp := m.mount("mnt")
	for name, step := range map[string]struct {
		needs  string
		script string
	}{
		"loggers of one file": {"bash", `
			for i in 1 2 3 4; do
				( for n in $(seq 250); do echo "writer $i line $n of a log that several processes append to" >> log; done ) &
			done
			wait
			test "$(wc -l < log)" = 1000
			test "$(sort -u log | wc -l)" = 1000
			test "$(grep -c '^writer [1-4] line [0-9]* of a log that several processes append to$' log)" = 1000`},
		"a program runs from it": {"bash", `
			cp "$(command -v bash)" shell
			test "$(./shell -c 'echo ran')" = ran
			printf '#!./shell\necho script\n' > script; chmod +x script
			test "$(./script)" = script
			./shell -c 'sleep 1; echo after' > out &
			sleep 0.2; mv shell renamed; rm renamed
			wait $!
			test "$(cat out)" = after`},
		"checksums of fio": {"fio", `
			for rw in randwrite write randrw; do for engine in psync mmap; do
				fio --name=$rw-$engine --rw=$rw --ioengine=$engine --bs=4k --size=4M --verify=crc32c --verify_fatal=1 \
					--randseed=20261122 --group_reporting --output=/dev/null
			done; done
			fio --name=direct --rw=randwrite --direct=1 --bs=4k --size=4M --verify=crc32c --verify_fatal=1 --output=/dev/null`},
		"stressors of stress-ng": {"stress-ng", `
			mkdir stress
			stress-ng --temp-path "$PWD/stress" --verify --timeout 3s --quiet \
				--rename 1 --dentry 1 --link 1 --symlink 1 --fallocate 1 --fallocate-bytes 4M --seek 1 --seek-size 4M --hdd 1 --hdd-bytes 8M --dir 1
			rm -r stress`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(step.needs); err != nil {
				t.Skipf("%s is not installed", step.needs)
			}
			dir := mp + "/" + step.needs + "-" + t.Name()[len("TestTools/"):]
			m.sh(2*time.Minute, mp, `mkdir "`+dir+`"; cd "`+dir+`"; `+step.script)
		})
	}
	m.must(time.Minute, "sync", mp)
	m.unmount(mp)
}

//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHeadline is a day's work on the disk: everything is written, sent, and comes back on a machine that has nothing of
// it but the account.
func TestHeadline(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t)
		headline(t, m, nil, func() (string, string) {
			mp := m.mount("mnt")
			return mp, mp
		})
	})
	t.Run("served", func(t *testing.T) {
		t.Parallel()
		h := newHub(t)
		m := newMachine(t)
		m.account("cloud", h.url, h.key)
		first := true
		headline(t, m, h, func() (string, string) {
			mp := m.mount("mnt", "cloud")
			if first {
				m.tool(patience, mp, "mkdir", "home@4gb,60d")
				first = false
			}
			return mp, filepath.Join(mp, "home")
		})
	})
}

// headline works in the directory that mount returns, as its second value, and finds all of it again.
func headline(t *testing.T, m *machine, h *hub, mount func() (mp, dir string)) {
	need(t, "git", "sqlite3", "vim", "rsync", "tar", "cp", "diff")
	src := sourceTree(m)
	mp, dir := mount()
	for _, step := range []struct {
		name string
		do   func(*testing.T, *machine, string, string)
	}{
		{"copy", copyTree},
		{"git", useGit},
		{"sqlite", useSQLite},
		{"vim", useVim},
		{"rsync", useRsync},
		{"tar", useTar},
		{"sparse", copySparse},
	} {
		began := time.Now()
		step.do(t, m, src, dir)
		t.Logf("%s: %v", step.name, time.Since(began).Round(time.Millisecond))
		if t.Failed() {
			t.FailNow()
		}
	}
	before := m.snapshot(dir)
	began := time.Now()
	m.unmount(mp)
	t.Logf("unmount --wait: %v", time.Since(began).Round(time.Millisecond))

	svc := h
	if svc == nil {
		svc = embeddedHub(m)
	}
	svc.checkCopies(svc.drop("home"), before.files())
	if h == nil {
		svc.kill()
	}

	m.forget()
	mp, dir = mount()
	compareTrees(t, m.snapshot(dir), before, nil)
	m.tool(time.Minute, dir, "diff", "--no-dereference", "-r", src, "tree")
	m.sh(time.Minute, dir, `cd git; git fsck --full --strict; test -z "$(git status --porcelain)"; cd ../clone; test -z "$(git status --porcelain)"`)
	if got := m.tool(time.Minute, dir, "rsync", "-ai", "--checksum", src+"/", "rsync/"); got != "" {
		t.Errorf("rsync transfers again: %s", got)
	}
	m.unmount(mp)
}

// sourceTree makes the tree that is copied: this module, and all kinds of entries.
func sourceTree(m *machine) string {
	m.t.Helper()
	src := filepath.Join(m.dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		m.t.Fatal(err)
	}
	module, err := filepath.Abs("../..")
	if err != nil {
		m.t.Fatal(err)
	}
	m.sh(time.Minute, src, `
		tar -C "`+module+`" -c --exclude=./.git --exclude=./bin --exclude=./dist --no-same-owner . | tar x
		chmod u+rwX -R .
		mkdir -p odd/empty odd/deep/er/and/er 'odd/ with  blanks ' odd/sticky odd/closed
		echo run > odd/program; chmod 755 odd/program
		echo no > odd/closed/secret; chmod 600 odd/closed/secret; chmod 700 odd/closed
		echo ro > odd/readonly; chmod 444 odd/readonly; chmod 1777 odd/sticky
		: > odd/nothing
		ln -s program odd/link; ln -s ../odd/nowhere odd/dangling; ln -s /etc/hostname odd/absolute; ln -s deep odd/dirlink
		ln odd/program odd/hard; ln odd/program odd/deep/hard
		printf 'x' > "odd/$(printf 'n%.0s' {1..255})"
		printf 'x' > $'odd/new\nline'; printf 'x' > $'odd/bad\xff\xfeutf8'; printf 'x' > 'odd/-dash'; printf 'x' > 'odd/back\slash'
		printf 'nfc' > $'odd/\xc3\xa9'; printf 'nfd' > $'odd/e\xcc\x81'
		printf 'x' > 'odd/a@b'; printf 'x' > 'odd/per%cent%2F'; printf 'x' > 'odd/trailing.'
		head -c 20000000 /dev/urandom > odd/large; head -c 1048577 /dev/urandom > odd/medium
		touch -d '2001-02-03 04:05:06.123456789' odd/program odd/deep/er/and odd/medium
		touch -d '1969-12-31 23:59:58.5' odd/nothing; touch -d '2040-01-01' odd/readonly
		touch -h -d '2010-10-10 10:10:10.101' odd/link
		touch -d '2003-03-03' odd/deep odd/empty`)
	return src
}

// copyTree copies the tree twice: -a keeps everything.
func copyTree(t *testing.T, m *machine, src, dir string) {
	m.sh(2*time.Minute, dir, `cp -a "`+src+`" tree; cp -r "`+src+`/fs" plain; diff --no-dereference -r "`+src+`" tree; diff --no-dereference -r "`+src+`/fs" plain`)
	compareTrees(t, m.snapshot(filepath.Join(dir, "tree")), m.snapshot(src), nil)
}

func useGit(_ *testing.T, m *machine, src, dir string) {
	m.sh(4*time.Minute, dir, `
		mkdir git; cd git
		git init -q -b main .
		cp -r "`+src+`/cache" "`+src+`/main.go" .
		mkdir bin; printf '#!/bin/sh\n' > bin/tool; chmod 755 bin/tool; ln -s tool bin/alias
		git add -A; git commit -q -m one
		test -z "$(git status --porcelain)"
		echo more >> main.go; test -n "$(git status --porcelain)"
		git commit -q -am two
		git checkout -q -b side HEAD~1; echo side > side; git add side; git commit -q -m side
		git checkout -q main; git merge -q --no-edit side
		git gc -q; git fsck --full --strict
		test -z "$(git status --porcelain)"
		cd ..; git clone -q git clone; cd clone
		test -z "$(git status --porcelain)"; git fsck --full
		test -x bin/tool; test -L bin/alias
		git log --oneline | wc -l | grep -qx 4`)
}

func useSQLite(t *testing.T, m *machine, _, dir string) {
	for _, mode := range []string{"delete", "wal", "truncate", "persist"} {
		out := m.sh(2*time.Minute, dir, `sqlite3 `+mode+`.db "pragma journal_mode=`+mode+`; create table t(a integer primary key, b text);
			with recursive n(i) as (select 1 union all select i+1 from n where i<2000) insert into t select i, hex(randomblob(50)) from n;"
			for i in 1 2 3; do sqlite3 `+mode+`.db "begin; update t set b = b || '`+mode+`' where a % 7 = $i; delete from t where a = 10*$i; commit;"; done
			sqlite3 `+mode+`.db "vacuum; pragma integrity_check; select count(*) from t;"`)
		if !strings.HasSuffix(out, "ok\n1997\n") {
			t.Errorf("%s: %q", mode, out)
		}
	}
	// Two at once: locks hold one of them back, and both get through.
	out := m.sh(2*time.Minute, dir, `
		for w in 1 2; do (for i in $(seq 20); do sqlite3 -cmd '.timeout 20000' wal.db "insert into t(b) values('w$w');"; done) & done; wait
		sqlite3 wal.db "select count(*) from t where b like 'w_'; pragma integrity_check; pragma wal_checkpoint(truncate);"`)
	if !strings.HasPrefix(out, "40\nok\n") {
		t.Errorf("two writers: %q", out)
	}
}

func useVim(t *testing.T, m *machine, _, dir string) {
	m.sh(time.Minute, dir, `mkdir vim; printf 'one\ntwo\nthree\n' > vim/text; chmod 640 vim/text
		for n in 1 2 3; do vim -es -u NONE -i NONE -c "%s/two/two$n/" -c wq vim/text; done
		vim -es -u NONE -i NONE -c 'set backup backupskip= backupcopy=no' -c 'normal Goend' -c wq vim/text
		test "$(stat -c %a vim/text)" = 640`)
	if got := m.tool(patience, dir, "cat", "vim/text"); got != "one\ntwo321\nthree\nend\n" {
		t.Errorf("text is %q", got)
	}
	if got := m.tool(patience, dir, "ls", "-A", "vim"); got != "text\ntext~\n" {
		t.Errorf("vim leaves %q", got)
	}
}

func useRsync(t *testing.T, m *machine, src, dir string) {
	m.tool(2*time.Minute, dir, "rsync", "-aH", src+"/", "rsync/")
	compareTrees(t, m.snapshot(filepath.Join(dir, "rsync")), m.snapshot(src), nil)
	if got := m.tool(time.Minute, dir, "rsync", "-aHi", src+"/", "rsync/"); got != "" {
		t.Errorf("the second rsync transfers: %s", got)
	}
	m.sh(time.Minute, dir, `cp -a "`+src+`/odd/large" inplace; printf changed | dd of=inplace bs=1 seek=1000000 conv=notrunc status=none
		touch -d 2020-01-01 inplace; rsync -a --inplace --no-whole-file "`+src+`/odd/large" inplace; cmp "`+src+`/odd/large" inplace`)
	if got := m.tool(time.Minute, dir, "rsync", "-ai", "--inplace", src+"/odd/large", "inplace"); got != "" {
		t.Errorf("the second rsync --inplace transfers: %s", got)
	}
	m.sh(time.Minute, dir, `mkdir back; rsync -aH --delete rsync/ back/; rm -r back/cache; rsync -aH rsync/ back/; diff --no-dereference -r rsync back; rm -r back`)
}

func useTar(t *testing.T, m *machine, src, dir string) {
	m.sh(2*time.Minute, dir, `tar --format=posix -C "`+src+`" -czf tree.tgz .; mkdir tar; tar -C tar -xpzf tree.tgz; tar -C tar -df tree.tgz -z`)
	compareTrees(t, m.snapshot(filepath.Join(dir, "tar")), m.snapshot(src), nil)
}

func copySparse(t *testing.T, m *machine, _, dir string) {
	out := m.sh(time.Minute, dir, `truncate -s 200M sparse; printf data | dd of=sparse bs=1 seek=100000000 conv=notrunc status=none
		cp -a --sparse=always sparse copy; cp -a --sparse=auto sparse auto; cmp sparse copy; cmp sparse auto
		stat -c %b sparse copy auto; rm sparse auto; truncate -s 3M copy`)
	for blocks := range strings.FieldsSeq(out) {
		if len(blocks) > 4 { // 10,000 blocks are 5 MB
			t.Errorf("a sparse file of 200 MB has %s blocks", blocks)
		}
	}
}

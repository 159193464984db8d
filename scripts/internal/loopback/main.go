// Command loopback mounts a directory again through go-fuse, for scripts/bench: what a FUSE file system of this library
// costs where it does nothing of its own. It is the bar that dropfs is measured against.
//
//	loopback [--passthrough] DIR MOUNTPOINT
//
// Invariants:
//   - L1: without --passthrough the kernel keeps its pages over a close, as a file system that nobody else changes may.
//   - L2: attributes and names are kept for an hour, as dropfs keeps them.
//   - L3: it ends, unmounted, on SIGTERM or SIGINT, or when it is unmounted from outside.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// keep is how long the kernel may keep attributes and names.
const keep = time.Hour

// maxWrite is the bytes of one request to write, those of dropfs.
const maxWrite = 1 << 20

func main() {
	passthrough := flag.Bool("passthrough", false, "let the kernel read and write the files below by itself; needs root")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: loopback [--passthrough] DIR MOUNTPOINT")
		os.Exit(2)
	}
	if err := serve(flag.Arg(0), flag.Arg(1), *passthrough); err != nil {
		fmt.Fprintln(os.Stderr, "loopback:", err)
		os.Exit(1)
	}
}

// serve mounts dir at mountpoint and returns when the mount is gone.
func serve(dir, mountpoint string, passthrough bool) error {
	root, err := newRoot(dir, passthrough)
	if err != nil {
		return err
	}
	srv, err := fs.Mount(mountpoint, root, options(dir))
	if err != nil {
		return fmt.Errorf("mount %s: %w", mountpoint, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	gone := make(chan struct{})
	go func() {
		srv.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return srv.Unmount()
	}
}

func options(dir string) *fs.Options {
	d := keep
	return &fs.Options{
		AttrTimeout: &d, EntryTimeout: &d, NullPermissions: true,
		MountOptions: fuse.MountOptions{
			FsName: dir, Name: "loopback", MaxWrite: maxWrite, DirectMount: os.Getuid() == 0,
			Options: []string{"default_permissions"},
		},
	}
}

// newRoot makes the root of the tree of dir.
func newRoot(dir string, passthrough bool) (fs.InodeEmbedder, error) {
	if passthrough {
		return fs.NewLoopbackRoot(dir)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", dir, err)
	}
	data := &fs.LoopbackRoot{Path: dir, Dev: uint64(st.Dev)} //nolint:unconvert // an int32 on macOS
	root := &node{&fs.LoopbackNode{RootData: data}}
	data.RootNode = root
	return root, nil
}

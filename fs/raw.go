package fs

import (
	"context"

	"github.com/hanwen/go-fuse/v2/fuse"

	"dropfs/fs/vfs"
)

// raw stands between the wire and go-fuse's nodes and passes on what their methods are not told: that a write, or an open
// that truncates, comes from somebody who may not keep set-id bits (HANDLE_KILLPRIV_V2). The node id of a request is the
// inode number.
type raw struct {
	fuse.RawFileSystem
	s *server
}

func (r *raw) killPriv(nodeID uint64) fuse.Status {
	err := r.s.vfs.KillPriv(context.Background(), vfs.Ino(nodeID))
	if err == nil {
		return fuse.OK
	}
	return fuse.Status(judge(err).errno)
}

// Write clears set-id bits before the first byte changes.
func (r *raw) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 {
		if st := r.killPriv(in.NodeId); !st.Ok() {
			return 0, st
		}
	}
	return r.RawFileSystem.Write(cancel, in, data)
}

// Writev is Write of data in pieces.
func (r *raw) Writev(cancel <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 {
		if st := r.killPriv(in.NodeId); !st.Ok() {
			return 0, st
		}
	}
	return r.RawFileSystem.Writev(cancel, in, data)
}

// Open clears set-id bits where the open truncates.
func (r *raw) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if in.Mode&fuse.OPEN_KILL_SUIDGID != 0 { // go-fuse calls the field of open_flags Mode
		if st := r.killPriv(in.NodeId); !st.Ok() {
			return st
		}
	}
	return r.RawFileSystem.Open(cancel, in, out)
}

package cache

import (
	"context"

	"dropfs/remote"
)

// Replica is the local replica of one account.
type Replica struct{}

// Handle is an open file.
type Handle struct{}

func Open(ctx context.Context, c Config) (*Replica, error) { return nil, ErrUnsupported }
func (r *Replica) Run(ctx context.Context) error           { return ErrUnsupported }
func (r *Replica) Close() error                            { return nil }
func (r *Replica) SetNotify(n Notify)                      {}
func (r *Replica) Lookup(ctx context.Context, parent Ino, name string) (Attr, error) {
	return Attr{}, ErrUnsupported
}
func (r *Replica) GetAttr(ctx context.Context, ino Ino) (Attr, error) { return Attr{}, ErrUnsupported }
func (r *Replica) SetAttr(ctx context.Context, ino Ino, s SetAttr) (Attr, error) {
	return Attr{}, ErrUnsupported
}
func (r *Replica) ReadDir(ctx context.Context, ino Ino, after uint64, n int) ([]DirEntry, error) {
	return nil, ErrUnsupported
}
func (r *Replica) Parent(ctx context.Context, ino Ino) (Ino, error) { return 0, ErrUnsupported }
func (r *Replica) Mkdir(ctx context.Context, p Ino, name string, mode uint32, c Caller) (Attr, error) {
	return Attr{}, ErrUnsupported
}
func (r *Replica) Mknod(ctx context.Context, p Ino, name string, mode, rdev uint32, c Caller) (Attr, error) {
	return Attr{}, ErrUnsupported
}
func (r *Replica) Create(ctx context.Context, p Ino, name string, mode uint32, f OpenFlags, c Caller) (*Handle, Attr, error) {
	return nil, Attr{}, ErrUnsupported
}
func (r *Replica) TmpFile(ctx context.Context, p Ino, mode uint32, f OpenFlags, c Caller) (*Handle, Attr, error) {
	return nil, Attr{}, ErrUnsupported
}
func (r *Replica) Symlink(ctx context.Context, p Ino, name, target string, c Caller) (Attr, error) {
	return Attr{}, ErrUnsupported
}
func (r *Replica) Readlink(ctx context.Context, ino Ino) (string, error) { return "", ErrUnsupported }
func (r *Replica) Link(ctx context.Context, ino, p Ino, name string) (Attr, error) {
	return Attr{}, ErrUnsupported
}
func (r *Replica) Unlink(ctx context.Context, p Ino, name string) error { return ErrUnsupported }
func (r *Replica) Rmdir(ctx context.Context, p Ino, name string) error  { return ErrUnsupported }
func (r *Replica) Rename(ctx context.Context, p Ino, name string, np Ino, nn string, f RenameFlags) error {
	return ErrUnsupported
}
func (r *Replica) GetXattr(ctx context.Context, ino Ino, name string) ([]byte, error) {
	return nil, ErrUnsupported
}
func (r *Replica) SetXattr(ctx context.Context, ino Ino, name string, v []byte, f XattrFlags) error {
	return ErrUnsupported
}
func (r *Replica) ListXattr(ctx context.Context, ino Ino) ([]string, error) {
	return nil, ErrUnsupported
}
func (r *Replica) RemoveXattr(ctx context.Context, ino Ino, name string) error { return ErrUnsupported }
func (r *Replica) Open(ctx context.Context, ino Ino, f OpenFlags) (*Handle, error) {
	return nil, ErrUnsupported
}
func (r *Replica) FsyncDir(ctx context.Context, ino Ino) error { return ErrUnsupported }
func (r *Replica) StatFS(ctx context.Context, ino Ino) (StatFS, error) {
	return StatFS{}, ErrUnsupported
}
func (r *Replica) Forget(ino Ino) {}

func (h *Handle) Ino() Ino { return 0 }
func (h *Handle) Read(ctx context.Context, p []byte, off int64) (int, error) {
	return 0, ErrUnsupported
}
func (h *Handle) Write(ctx context.Context, p []byte, off int64) (int, error) {
	return 0, ErrUnsupported
}
func (h *Handle) Flush(ctx context.Context) error            { return ErrUnsupported }
func (h *Handle) Fsync(ctx context.Context, data bool) error { return ErrUnsupported }
func (h *Handle) Release() error                             { return ErrUnsupported }
func (h *Handle) Allocate(ctx context.Context, mode uint32, off, n int64) error {
	return ErrUnsupported
}
func (h *Handle) Seek(ctx context.Context, off int64, whence int) (int64, error) {
	return 0, ErrUnsupported
}
func (h *Handle) CopyTo(ctx context.Context, off int64, dst *Handle, dstOff, n int64) (int64, error) {
	return 0, ErrUnsupported
}

func (r *Replica) Info(ctx context.Context, ino Ino) (FileInfo, error) {
	return FileInfo{}, ErrUnsupported
}
func (r *Replica) Path(ctx context.Context, ino Ino) (string, error) { return "", ErrUnsupported }
func (r *Replica) Resolve(ctx context.Context, path string) (Attr, error) {
	return Attr{}, ErrUnsupported
}
func (r *Replica) Status() Status                                  { return Status{} }
func (r *Replica) Unsent() (ops int, bytes int64)                  { return 0, 0 }
func (r *Replica) Sync(ctx context.Context, inos []Ino) error      { return ErrUnsupported }
func (r *Replica) Pin(ctx context.Context, ino Ino, on bool) error { return ErrUnsupported }
func (r *Replica) Deleted() []Deleted                              { return nil }
func (r *Replica) Undelete(ctx context.Context, path string) error { return ErrUnsupported }
func (r *Replica) CacheVerify(ctx context.Context, progress func(done, total int)) ([]string, error) {
	return nil, ErrUnsupported
}
func (r *Replica) CachePrune(ctx context.Context, target int64) error { return ErrUnsupported }
func (r *Replica) Drops(ctx context.Context) []DropStatus             { return nil }
func (r *Replica) CreateDrop(ctx context.Context, name string, s remote.DropSpec) (Attr, error) {
	return Attr{}, ErrUnsupported
}
func (r *Replica) ExtendDrop(ctx context.Context, name string, gb float64, days int) error {
	return ErrUnsupported
}
func (r *Replica) AddDrop(ctx context.Context, name string, id remote.DropID) error {
	return ErrUnsupported
}
func (r *Replica) ForgetDrop(ctx context.Context, name string) error { return ErrUnsupported }
func (r *Replica) DeleteDrop(ctx context.Context, name string) error { return ErrUnsupported }
func (r *Replica) Share(ctx context.Context, ino Ino, public bool) (string, error) {
	return "", ErrUnsupported
}
func (r *Replica) Refresh(ctx context.Context, ino Ino) error { return ErrUnsupported }

// SyncError names what the service refuses.
type SyncError struct{ Ops []OpError }

func (e *SyncError) Error() string { return "refused by the service" }

// LockedError says who owns a state directory.
type LockedError struct {
	Dir, Host string
	PID       int
	Since     string
}

func (e *LockedError) Error() string { return "in use" }

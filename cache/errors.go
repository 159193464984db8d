package cache

// Kind is what a file operation can fail with, beside the kinds of package remote. What errno it is for the kernel is
// decided in package fs alone.
type Kind string

// The kinds of error. Each is an error itself: errors.Is(err, cache.ErrExist).
const (
	ErrNotExist    Kind = "no such file or directory"
	ErrExist       Kind = "file exists"
	ErrNotDir      Kind = "not a directory"
	ErrIsDir       Kind = "is a directory"
	ErrNotEmpty    Kind = "directory not empty"
	ErrNameTooLong Kind = "name too long"
	ErrInvalid     Kind = "invalid argument"
	ErrPerm        Kind = "operation not permitted"
	ErrReadOnly    Kind = "read-only file system"
	ErrNoSpace     Kind = "no space left in the cache"      // ENOSPC: full of unsent data, or the disk below is full
	ErrQuota       Kind = "the drop is full"                // EDQUOT
	ErrTooLarge    Kind = "larger than the drop takes"      // EFBIG
	ErrCrossDrop   Kind = "not within one drop"             // EXDEV
	ErrNoAttr      Kind = "no such attribute"               // ENODATA
	ErrRange       Kind = "result too large for the buffer" // ERANGE
	ErrNoData      Kind = "no data or hole there"           // ENXIO
	ErrUnsupported Kind = "operation not supported"         // EOPNOTSUPP
	ErrOffline     Kind = "not cached and the service cannot be reached"
	ErrIO          Kind = "input/output error" // the local disk or the index failed
	ErrStale       Kind = "stale handle"       // the inode is gone
	ErrBusy        Kind = "in use"
	ErrManyLinks   Kind = "too many links"
	ErrBadHandle   Kind = "handle not open for that" // EBADF
)

// Error makes a Kind usable with errors.Is.
func (k Kind) Error() string { return string(k) }

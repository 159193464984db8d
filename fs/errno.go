package fs

import (
	"context"
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/sirupsen/logrus"

	"dropfs/cache"
	"dropfs/convert"
	"dropfs/remote"
)

// rule is what the kernel is told of one kind of error, and how loud the log is about it.
type rule struct {
	errno syscall.Errno
	level logrus.Level
}

const (
	quiet  = logrus.DebugLevel // part of daily life
	notice = logrus.InfoLevel  // a person will ask why
	warned = logrus.WarnLevel  // degraded
	loud   = logrus.ErrorLevel // data at risk
)

// cacheRules is total over cache.Kind, which a test holds.
var cacheRules = map[cache.Kind]rule{
	cache.ErrNotExist:    {syscall.ENOENT, quiet},
	cache.ErrExist:       {syscall.EEXIST, quiet},
	cache.ErrNotDir:      {syscall.ENOTDIR, quiet},
	cache.ErrIsDir:       {syscall.EISDIR, quiet},
	cache.ErrNotEmpty:    {syscall.ENOTEMPTY, quiet},
	cache.ErrNameTooLong: {syscall.ENAMETOOLONG, quiet},
	cache.ErrInvalid:     {syscall.EINVAL, quiet},
	cache.ErrPerm:        {syscall.EPERM, quiet},
	cache.ErrReadOnly:    {syscall.EROFS, quiet},
	cache.ErrNoSpace:     {syscall.ENOSPC, warned},
	cache.ErrQuota:       {syscall.EDQUOT, notice},
	cache.ErrTooLarge:    {syscall.EFBIG, notice},
	cache.ErrCrossDrop:   {syscall.EXDEV, quiet},
	cache.ErrNoAttr:      {syscall.Errno(fuse.ENOATTR), quiet},
	cache.ErrRange:       {syscall.ERANGE, quiet},
	cache.ErrNoData:      {syscall.ENXIO, quiet},
	cache.ErrUnsupported: {syscall.EOPNOTSUPP, quiet},
	cache.ErrOffline:     {syscall.ENETUNREACH, quiet},
	cache.ErrIO:          {syscall.EIO, loud},
	cache.ErrStale:       {syscall.ESTALE, quiet},
	cache.ErrBusy:        {syscall.EBUSY, quiet},
	cache.ErrManyLinks:   {syscall.EMLINK, quiet},
	cache.ErrBadHandle:   {syscall.EBADF, quiet},
}

// remoteRules is total over remote.Kind, which a test holds.
var remoteRules = map[remote.Kind]rule{
	remote.ErrNotFound:    {syscall.ENOENT, notice},
	remote.ErrCredentials: {syscall.EACCES, warned},
	remote.ErrDenied:      {syscall.EACCES, notice},
	remote.ErrQuota:       {syscall.EDQUOT, notice},
	remote.ErrTooLarge:    {syscall.EFBIG, notice},
	remote.ErrPayment:     {syscall.EDQUOT, notice},
	remote.ErrConflict:    {syscall.EBUSY, notice},
	remote.ErrInvalid:     {syscall.EINVAL, notice},
	remote.ErrRateLimited: {syscall.EBUSY, warned},
	remote.ErrUnavailable: {syscall.ENETUNREACH, notice},
	remote.ErrUnsupported: {syscall.EOPNOTSUPP, notice},
	remote.ErrExpiredURL:  {syscall.EIO, warned},
	remote.ErrChanged:     {syscall.ESTALE, notice},
	remote.ErrCorrupt:     {syscall.EIO, warned},
	remote.ErrProtocol:    {syscall.EIO, warned},
}

// convertRules is total over convert.Kind, which a test holds. The reason is in FILE@info.json and in user.dropfs.error.
var convertRules = map[convert.Kind]rule{
	convert.ErrUnsupported: {syscall.ENOENT, quiet},
	convert.ErrBroken:      {syscall.EIO, notice},
	convert.ErrTooLarge:    {syscall.EFBIG, notice},
	convert.ErrLocked:      {syscall.EACCES, notice},
	convert.ErrRefused:     {syscall.EACCES, notice},
	convert.ErrBudget:      {syscall.EDQUOT, notice},
	convert.ErrTimeout:     {syscall.ETIMEDOUT, notice},
	convert.ErrUnreachable: {syscall.ENETUNREACH, notice},
}

// sysRules are the errors of the disk below that mean the same above. All others are EIO: an EACCES on a content file is
// no answer to who may read the file that it belongs to.
var sysRules = map[syscall.Errno]rule{
	syscall.ENOSPC:     {syscall.ENOSPC, warned},
	syscall.EDQUOT:     {syscall.ENOSPC, warned},
	syscall.EFBIG:      {syscall.EFBIG, quiet},
	syscall.EROFS:      {syscall.EROFS, warned},
	syscall.ENXIO:      {syscall.ENXIO, quiet},
	syscall.EINTR:      {syscall.EINTR, quiet},
	syscall.EOPNOTSUPP: {syscall.EOPNOTSUPP, quiet},
}

// judge chooses the errno of an error and the level that it is logged at. The first of these that fits decides: the end of
// the request's context, a kind of the cache, of a conversion, of the service, an errno of the disk below; else EIO.
func judge(err error) rule {
	var (
		ck  cache.Kind
		re  *remote.Error
		rk  remote.Kind
		vk  convert.Kind
		sys syscall.Errno
	)
	switch {
	case err == nil:
		return rule{}
	case errors.Is(err, context.Canceled):
		return rule{syscall.EINTR, quiet}
	case errors.Is(err, context.DeadlineExceeded):
		return rule{syscall.ETIMEDOUT, notice}
	case errors.As(err, &ck):
		if r, ok := cacheRules[ck]; ok {
			return r
		}
	case errors.As(err, &vk):
		if r, ok := convertRules[vk]; ok {
			return r
		}
	case errors.As(err, &re):
		if r, ok := remoteRules[re.Kind]; ok {
			return r
		}
	case errors.As(err, &rk):
		if r, ok := remoteRules[rk]; ok {
			return r
		}
	case errors.As(err, &sys):
		if r, ok := sysRules[sys]; ok {
			return r
		}
	}
	return rule{syscall.EIO, loud}
}

// fail turns an error into the errno that the kernel is told, and logs it: once, here.
func (s *server) fail(op string, n *node, name string, err error) syscall.Errno {
	if err == nil {
		return 0
	}
	r := judge(err)
	if s.log.Logger.IsLevelEnabled(r.level) {
		e := s.log.WithField("op", op).WithField("ino", n.StableAttr().Ino).WithError(err)
		if name != "" {
			e = e.WithField("path", name)
		}
		e.Log(r.level, "request failed")
	}
	return r.errno
}

package vfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"dropfs/cache"
)

// The extended attributes that are answered without being listed, so that cp -a and rsync -X do not copy them.
const (
	virtualPrefix = "user.dropfs."
	xattrState    = virtualPrefix + "state"   // as FileInfo.State; "uploading N%", "error: WHY"
	xattrExpires  = virtualPrefix + "expires" // of its drop, RFC 3339; absent: never
	xattrID       = virtualPrefix + "id"      // the service's name of the asset or drop; absent: never sent
	xattrError    = virtualPrefix + "error"   // why it cannot be sent; absent: no error
	xattrMIME     = "user.mime_type"          // may be set; else what the service says
)

// checkXattr tells whether a name is of a kind that is kept. POSIX ACLs and SELinux labels are not: ls asks for them on
// every entry and asks no more once they are unsupported.
func checkXattr(name string) error {
	if name == "security.selinux" {
		return cache.ErrUnsupported
	}
	for _, prefix := range []string{"user.", "trusted.", "security."} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if rest == "" {
				return cache.ErrInvalid
			}
			return nil
		}
	}
	return cache.ErrUnsupported
}

// GetXattr answers a stored attribute or a virtual one; cache.ErrNoAttr where there is none.
func (f *FS) GetXattr(ctx context.Context, ino Ino, name string) ([]byte, error) {
	if err := checkXattr(name); err != nil {
		return nil, err
	}
	if c := f.magics.get(ino); c != nil {
		return f.conjuredXattr(ctx, c, name)
	}
	p, err := f.place(ino)
	if err != nil {
		return nil, err
	}
	if p.acc == nil {
		return nil, cache.ErrNoAttr
	}
	if strings.HasPrefix(name, virtualPrefix) {
		return virtual(ctx, p, name)
	}
	v, err := p.acc.r.GetXattr(ctx, p.ino, name)
	if name == xattrMIME && errors.Is(err, cache.ErrNoAttr) {
		return virtual(ctx, p, name)
	}
	return v, err
}

// conjuredXattr answers the attributes of what is behind a magic name: whether it is made, and why it cannot be.
func (f *FS) conjuredXattr(ctx context.Context, c *conjured, name string) ([]byte, error) {
	why := f.convertError(c)
	switch {
	case name == xattrError && why != nil:
		return []byte(why.Error()), nil
	case name == xattrState && why != nil:
		return []byte(string(cache.StateFailed) + ": " + why.Error()), nil
	case name == xattrState && c.key != "":
		a, err := f.conjuredAttr(ctx, c)
		if err != nil {
			return nil, err
		}
		if a.Unsettled {
			return []byte(cache.StateCold), nil
		}
		return []byte(cache.StateClean), nil
	}
	return nil, cache.ErrNoAttr
}

func virtual(ctx context.Context, p place, name string) ([]byte, error) {
	info, err := p.acc.r.Info(ctx, p.ino)
	if err != nil {
		return nil, err
	}
	v := ""
	switch name {
	case xattrState:
		v = stateText(info)
	case xattrExpires:
		if !info.Drop.Expires.IsZero() {
			v = info.Drop.Expires.UTC().Format(time.RFC3339)
		}
	case xattrID:
		v = string(info.Asset.ID)
		if a, err := p.acc.r.GetAttr(ctx, p.ino); v == "" && err == nil && a.Mode&typeMask == typeDir {
			v = dropID(ctx, p, info)
		}
	case xattrError:
		v = info.Err
	case xattrMIME:
		v = info.Asset.Type
	}
	if v == "" {
		return nil, cache.ErrNoAttr
	}
	return []byte(v), nil
}

// dropID is the id of a drop where p is its directory.
func dropID(ctx context.Context, p place, info cache.FileInfo) string {
	if p.ino == cache.RootIno {
		return ""
	}
	if up, err := p.acc.r.Parent(ctx, p.ino); err != nil || up != cache.RootIno {
		return ""
	}
	return string(info.Drop.ID)
}

func stateText(i cache.FileInfo) string {
	switch i.State {
	case cache.StateUploading:
		return string(i.State) + " " + strconv.Itoa(i.Percent) + "%"
	case cache.StateFailed:
		return string(i.State) + ": " + i.Err
	case cache.StateClean, cache.StateDirty, cache.StateLocal, cache.StateCold:
	}
	return string(i.State)
}

// SetXattr stores an attribute.
func (f *FS) SetXattr(ctx context.Context, ino Ino, name string, value []byte, flags cache.XattrFlags) error {
	p, err := f.xattrPlace(ino, "setxattr", name)
	if err != nil {
		return err
	}
	if err := p.acc.r.SetXattr(ctx, p.ino, name, value, flags); err != nil {
		return err
	}
	f.inodeChanged(p)
	return nil
}

// RemoveXattr removes a stored attribute.
func (f *FS) RemoveXattr(ctx context.Context, ino Ino, name string) error {
	p, err := f.xattrPlace(ino, "removexattr", name)
	if err != nil {
		return err
	}
	if err := p.acc.r.RemoveXattr(ctx, p.ino, name); err != nil {
		return err
	}
	f.inodeChanged(p)
	return nil
}

// xattrPlace is place for a change of an attribute.
func (f *FS) xattrPlace(ino Ino, op, name string) (place, error) {
	if f.readOnly {
		return place{}, cache.ErrReadOnly
	}
	if err := checkXattr(name); err != nil {
		return place{}, err
	}
	p, err := f.place(ino)
	if err != nil {
		return place{}, err
	}
	if p.acc == nil || strings.HasPrefix(name, virtualPrefix) {
		return place{}, fmt.Errorf("%s %q: %w", op, name, cache.ErrPerm)
	}
	return p, nil
}

// ListXattr names the stored attributes, in order.
func (f *FS) ListXattr(ctx context.Context, ino Ino) ([]string, error) {
	if f.magics.get(ino) != nil {
		return nil, nil
	}
	p, err := f.place(ino)
	if err != nil || p.acc == nil {
		return nil, err
	}
	names, err := p.acc.r.ListXattr(ctx, p.ino)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return n == xattrMIME || strings.HasPrefix(n, virtualPrefix)
	})
	slices.Sort(names)
	return names, nil
}

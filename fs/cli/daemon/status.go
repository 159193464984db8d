package daemon

import (
	"context"
	"fmt"
	"time"

	"dropfs/cache"
	"dropfs/fs/cli/control"
	"dropfs/fs/vfs"
)

// expiryNotice is how long ahead a drop's end is warned of.
const expiryNotice = 24 * time.Hour

// Status tells what the daemon and its accounts are doing.
func (d *Disk) Status(context.Context) control.Status {
	out := control.Status{Info: d.Info(), Disks: []control.AccountStatus{}}
	for _, a := range d.snapshot() {
		st := a.replica.Status()
		st.Account = a.name
		for i := range st.Drops {
			st.Drops[i].Account = a.name
		}
		if st.Transfers == nil {
			st.Transfers = []cache.Transfer{}
		}
		if st.Errors == nil {
			st.Errors = []cache.OpError{}
		}
		if st.Conflicts == nil {
			st.Conflicts = []string{}
		}
		if st.Drops == nil {
			st.Drops = []cache.DropStatus{}
		}
		u := st.Cache
		out.Disks = append(out.Disks, control.AccountStatus{
			Status:     st,
			CacheBytes: control.CacheBytes{Max: u.Max, Allocated: u.Allocated, Dirty: u.Dirty, Pinned: u.Pinned, Files: u.Files},
			Refused:    d.refused(a.name),
			Warnings:   append(warnings(st, time.Now()), d.deafness(a)...),
		})
	}
	d.mu.Lock()
	c := d.conv
	d.mu.Unlock()
	if c != nil {
		out.Conversions, out.NotConverted = c.broker.Status(), c.broker.Refusals()
	}
	return out
}

// refused lists what the trees of an account did not allow lately.
func (d *Disk) refused(account string) []string {
	d.mu.Lock()
	trees := make([]*vfs.FS, 0, len(d.mounts))
	for _, m := range d.mounts {
		for _, name := range m.accounts {
			if name == account && m.fs != nil {
				trees = append(trees, m.fs)
			}
		}
	}
	d.mu.Unlock()
	var out []string
	for _, f := range trees {
		for _, r := range f.Refusals() {
			out = append(out, fmt.Sprintf("%s %s: %s", r.Op, r.Name, r.Reason))
		}
	}
	return out
}

// warnings are what somebody should know before it is too late.
func warnings(st cache.Status, now time.Time) []string {
	var out []string
	for _, d := range st.Drops {
		switch left := d.Expires.Sub(now); {
		case d.Gone:
			out = append(out, fmt.Sprintf("drop %s is gone: what is held here can be read until `dropfs drop forget %s/%s`", d.Name, st.Account, d.Name))
		case d.Expires.IsZero():
		case left <= 0:
			out = append(out, fmt.Sprintf("drop %s has expired", d.Name))
		case left <= expiryNotice:
			out = append(out, fmt.Sprintf("drop %s expires in %s: extend it with `dropfs drop extend %s/%s`", d.Name, left.Round(time.Minute), st.Account, d.Name))
		}
	}
	return out
}

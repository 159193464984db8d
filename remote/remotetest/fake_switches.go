package remotetest

import (
	"bytes"
	"context"
	"slices"
	"time"

	"dropfs/remote"
)

// SetCaps changes the abilities.
func (f *Fake) SetCaps(c remote.Caps) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.caps = c
}

// SetOffline makes every call fail with ErrUnavailable, and breaks the change feeds that are open.
func (f *Fake) SetOffline(off bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offline = off
	if off {
		f.feedGen++
	}
	f.wakeLocked()
}

// SetLatency delays every call, and each part of Send, by d.
func (f *Fake) SetLatency(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latency = d
}

// SetHook has fn called at the start of every call, without a lock, in the caller's goroutine: a test waits in it, or
// returns an error to refuse the call. nil takes it away. method is as in Calls, subject the id or name acted on.
func (f *Fake) SetHook(fn func(ctx context.Context, method, subject string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = fn
}

// Fail refuses the nth call of method from now on (1: the next) with err, which may be a Kind; nothing is done. nth 0
// refuses every call until Fail(method, 0, nil). method is a name of remote.Service, "Send.part", or "*".
func (f *Fake) Fail(method string, nth int, err error) {
	f.addFault(&fault{method: method, nth: nth, err: err})
}

// Lose does the work of the nth call of method from now on and then answers ErrUnavailable. nth is as for Fail.
// It has no effect on Changes.
func (f *Fake) Lose(method string, nth int) {
	f.addFault(&fault{method: method, nth: nth, err: fail(remote.ErrUnavailable, "answer lost"), lose: true})
}

func (f *Fake) addFault(x *fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x.err == nil {
		f.faults = slices.DeleteFunc(f.faults, func(y *fault) bool { return y.method == x.method })
		return
	}
	f.faults = append(f.faults, x)
}

// ExpireURLs ends every upload URL given so far.
func (f *Fake) ExpireURLs() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.urlGen++
}

// SetQuota changes what a drop may hold and what one asset may have; 0: no limit.
func (f *Fake) SetQuota(drop remote.DropID, maxSize, maxFileSize int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.drops[drop]; d != nil {
		d.info.MaxSize, d.info.MaxFileSize = maxSize, maxFileSize
		f.emitLocked(remote.Change{Kind: remote.ChangeDrop, Drop: drop, DropInfo: f.dropInfoLocked(d)})
	}
}

// StaleListings has the next n calls of Assets for drop answer what it lists now, whatever happens in between.
func (f *Fake) StaleListings(drop remote.DropID, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stale[drop] = &staleListing{left: n, list: f.listingLocked(drop)}
}

// MakeDrop makes a drop as another client of the account would. It is no call; the spec is taken as it is.
func (f *Fake) MakeDrop(spec remote.DropSpec) remote.Drop {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.makeDropLocked(spec)
}

// Put uploads an asset as another client would, under a name that may be taken. It panics when the drop is unknown.
func (f *Fake) Put(drop remote.DropID, name string, content []byte) remote.Asset {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dropLocked(drop) == nil {
		panic("remotetest: Put into unknown drop " + string(drop))
	}
	id := remote.AssetID(f.newIDLocked("file"))
	return f.addAssetLocked(id, drop, remote.UploadSpec{Name: name}, bytes.Clone(content), "").info
}

// Remove deletes an asset as another client would; it answers whether there was one.
func (f *Fake) Remove(id remote.AssetID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.assets[id]
	if a == nil {
		return false
	}
	f.removeAssetLocked(a, true)
	return true
}

// ExpireDrop ends a drop and all it holds, as its expiry or a deletion elsewhere does.
func (f *Fake) ExpireDrop(id remote.DropID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removeDropLocked(id)
}

// BreakFeeds breaks the change feeds that are open; they may be opened again at once.
func (f *Fake) BreakFeeds() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.feedGen++
	f.wakeLocked()
}

// ForgetEvents makes the feed forget what it has told so far, so that whoever asks for it gets a ChangeReset.
func (f *Fake) ForgetEvents() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	f.events, f.keptFrom = nil, f.seq
}

// Seq returns the present sequence number of the feed.
func (f *Fake) Seq() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seq
}

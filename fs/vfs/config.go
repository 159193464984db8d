package vfs

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"dropfs/cache"
	"dropfs/convert"
)

// Account is one account of the tree.
type Account struct {
	Name    string
	Replica *cache.Replica
	// Slot is the upper sixteen bits of its inode numbers, 1 to 32767 and distinct; 0 is its place in the list, from 1.
	// A slot that stays with its account keeps inode numbers over remounts.
	Slot uint16
	// Convert is who converts what is in it, within Limits; nil: the broker's own registry. Fallback is that of a
	// convert.Request.
	Convert  *convert.Registry
	Limits   convert.Limits
	Fallback bool
}

// Root tells what the tree's root is. The zero value lists the accounts as directories.
type Root struct {
	Account string // this account's root, whose entries are its drops
	Drop    string // with Account: this drop
}

// Config is what a file system is made of.
type Config struct {
	Accounts []Account
	Root     Root
	ReadOnly bool
	// Feed ties the file systems of one process together that show the same accounts; nil where there is only this one.
	Feed *Feed
	// Convert makes magic names work; nil: there are none.
	Convert *Conversions
	Log     *logrus.Entry // nil: discarded
}

// FS is one tree. Its methods may be called at the same time.
type FS struct {
	accounts []*account
	bySlot   map[uint16]*account
	root     place // where inode 1 is; its account is nil for the list of accounts
	readOnly bool
	feed     *Feed
	log      *logrus.Entry
	made     time.Time
	conv     *Conversions
	magics   conjurer
	browse   browsing

	refused refusals

	mu      sync.Mutex
	handles map[*Handle]struct{}
	sink    func(Event)
}

type account struct {
	name string
	slot uint16
	r    *cache.Replica
	conv *convert.Registry // nil: the broker's

	limits   convert.Limits // of conversions
	fallback bool
}

// place is an inode of one account.
type place struct {
	acc *account
	ino cache.Ino
}

// New puts a tree together. With Root.Drop it looks the drop up, which may wait for the service when the account's drops
// were never listed; a drop that is not there is cache.ErrNotExist.
func New(ctx context.Context, c Config) (*FS, error) {
	f := &FS{
		bySlot:   make(map[uint16]*account),
		readOnly: c.ReadOnly,
		feed:     c.Feed,
		log:      c.Log,
		conv:     c.Convert,
		made:     time.Now(),
		handles:  make(map[*Handle]struct{}),
	}
	if f.log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		f.log = logrus.NewEntry(l)
	}
	if f.feed == nil {
		f.feed = &Feed{}
	}
	for i, a := range c.Accounts {
		if err := f.addAccount(a, i); err != nil {
			return nil, err
		}
	}
	if err := f.setRoot(ctx, c.Root); err != nil {
		return nil, err
	}
	f.feed.join(f)
	return f, nil
}

func (f *FS) addAccount(a Account, i int) error {
	slot := a.Slot
	if slot == 0 {
		slot = uint16(i + 1)
	}
	switch {
	case a.Replica == nil:
		return fmt.Errorf("account %q: no replica", a.Name)
	case slot > maxSlot:
		return fmt.Errorf("account %q: slot %d is above %d", a.Name, slot, maxSlot)
	case f.bySlot[slot] != nil:
		return fmt.Errorf("account %q: slot %d is that of account %q", a.Name, slot, f.bySlot[slot].name)
	case f.named(a.Name) != nil:
		return fmt.Errorf("account %q: named twice", a.Name)
	}
	acc := &account{name: a.Name, slot: slot, r: a.Replica, conv: a.Convert, limits: a.Limits, fallback: a.Fallback}
	f.accounts = append(f.accounts, acc)
	f.bySlot[slot] = acc
	return nil
}

func (f *FS) setRoot(ctx context.Context, r Root) error {
	if r.Account == "" {
		if r.Drop != "" {
			return fmt.Errorf("drop %q: no account named", r.Drop)
		}
		return nil
	}
	acc := f.named(r.Account)
	if acc == nil {
		return fmt.Errorf("account %q: %w", r.Account, cache.ErrNotExist)
	}
	f.root = place{acc, cache.RootIno}
	if r.Drop == "" {
		return nil
	}
	a, err := acc.r.Lookup(ctx, cache.RootIno, r.Drop)
	if err != nil {
		return fmt.Errorf("drop %q: %w", r.Drop, err)
	}
	if a.Mode&typeMask != typeDir {
		return fmt.Errorf("drop %q: %w", r.Drop, cache.ErrNotDir)
	}
	f.root.ino = a.Ino
	return nil
}

func (f *FS) named(name string) *account {
	for _, a := range f.accounts {
		if a.name == name {
			return a
		}
	}
	return nil
}

// ReadOnly tells whether the file system takes no change.
func (f *FS) ReadOnly() bool { return f.readOnly }

// Close releases every handle that is still open, as a disk that is unmounted does, and leaves the Feed. The replicas
// stay open: they belong to who made them.
func (f *FS) Close() error {
	f.feed.leave(f)
	f.mu.Lock()
	f.sink = nil
	open := make([]*Handle, 0, len(f.handles))
	for h := range f.handles {
		open = append(open, h)
	}
	f.mu.Unlock()
	var first error
	for _, h := range open {
		if err := h.Release(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// owner is who owns the list of accounts: who runs this process.
func owner() (uid, gid uint32) { return uint32(os.Getuid()), uint32(os.Getgid()) }

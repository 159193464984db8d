package vfs

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"dropfs/cache"
	"dropfs/convert"
	"dropfs/convert/magic"
)

// conjuredNames lists a directory behind a magic name: what a view offers, or the members of a dirop, for which the source
// is read but nothing made.
func (f *FS) conjuredNames(ctx context.Context, c *conjured) ([]string, error) {
	if c.view {
		return f.viewNames(c), nil
	}
	members, err := f.membersOf(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []string
	seen := map[string]bool{}
	for _, m := range members {
		rest, ok := strings.CutPrefix(m.Name, c.prefix)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(rest, "/")
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	return out, nil
}

// viewNames are the names in FILE@/: STEM.EXT for each format, the dirops and the facets by their bare names.
func (f *FS) viewNames(c *conjured) []string {
	stem := strings.TrimSuffix(c.req.Name, filepath.Ext(c.req.Name))
	out := []string{infoFacet}
	if c.acc.r.CanLink() {
		out = append(out, linkFacet)
	}
	for _, o := range f.offers(c) {
		switch s := (magic.Step{Op: o.Op}); s.Kind() {
		case magic.Format:
			out = append(out, stem+"."+o.Op)
		case magic.Dirop:
			out = append(out, o.Op)
		case magic.Action:
		}
	}
	slices.Sort(out)
	return out
}

// conjureIn finds a name in a directory behind a magic name.
func (f *FS) conjureIn(ctx context.Context, c *conjured, name string) (*conjured, error) {
	if c.view {
		return f.conjureInView(c, name)
	}
	members, err := f.membersOf(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		switch {
		case m.Name == c.prefix+name:
			return f.conjureMember(c, m)
		case strings.HasPrefix(m.Name, c.prefix+name+"/"):
			sub := *c
			sub.up, sub.prefix = c.ino, c.prefix+name+"/"
			return f.magics.add(&sub, "sub"+magicText(c.req.Steps)+sub.prefix), nil
		}
	}
	return nil, cache.ErrNotExist
}

// magicText writes steps in their one spelling.
func magicText(steps []magic.Step) string { return magic.Path{Steps: steps}.Key() }

func (f *FS) conjureInView(c *conjured, name string) (*conjured, error) {
	found := &conjured{acc: c.acc, base: c.base, up: c.ino, req: c.req, hide: c.hide, inView: true}
	if !slices.Contains(f.viewNames(c), name) {
		return nil, cache.ErrNotExist
	}
	if name == infoFacet || name == linkFacet {
		found.facet = name
		return f.magics.add(found, "view facet "+name), nil
	}
	op := name
	if ext := filepath.Ext(name); ext != "" {
		op = ext[1:]
	}
	found.req.Steps = []magic.Step{{Op: op}}
	key, _, err := f.conv.Broker.Plan(found.req)
	if err != nil {
		return nil, cache.ErrNotExist
	}
	if found.req.Steps[0].Kind() == magic.Dirop {
		found.members = &memberList{}
		return f.magics.add(found, "view dir"+string(key)), nil
	}
	found.key = key
	return f.magics.add(found, "view file"), nil
}

func (f *FS) conjureMember(c *conjured, m convert.Member) (*conjured, error) {
	req, err := f.conv.Broker.Member(c.req, m)
	if err != nil {
		return nil, cache.ErrNotExist
	}
	key, _, err := f.conv.Broker.Plan(req)
	if err != nil {
		return nil, cache.ErrNotExist
	}
	return f.magics.add(&conjured{acc: c.acc, base: c.base, up: c.ino, req: req, key: key, hide: c.hide}, "member"), nil
}

// membersOf asks for the members of a dirop, once.
func (f *FS) membersOf(ctx context.Context, c *conjured) ([]convert.Member, error) {
	c.members.mu.Lock()
	defer c.members.mu.Unlock()
	if c.members.list == nil {
		list, err := f.conv.Broker.List(ctx, c.req)
		if err != nil {
			return nil, err
		}
		c.members.list = slices.DeleteFunc(append([]convert.Member{}, list...), func(m convert.Member) bool { return !filepath.IsLocal(m.Name) })
	}
	return c.members.list, nil
}

// conjuredEntries is the listing of a directory behind a magic name, with attributes.
func (f *FS) conjuredEntries(ctx context.Context, c *conjured) ([]DirEntry, error) {
	names, err := f.conjuredNames(ctx, c)
	if err != nil {
		return nil, err
	}
	out := make([]DirEntry, 0, len(names))
	for i, name := range names {
		child, err := f.conjureIn(ctx, c, name)
		if err != nil {
			return nil, err
		}
		a, err := f.conjuredAttr(ctx, child)
		if err != nil {
			return nil, err
		}
		out = append(out, DirEntry{Name: name, Cookie: firstCookie + uint64(i), Attr: a})
	}
	return out, nil
}

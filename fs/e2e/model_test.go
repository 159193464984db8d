//go:build linux

package e2e

import (
	"bytes"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// model is what a tree must be after the steps that were acknowledged. It is JSON, for it goes to the writer.
type model struct {
	Names  map[string]int // of a name: its node; "" is the top
	Nodes  map[int]*modelNode
	NextID int
}

type modelNode struct {
	Kind   kind
	Bytes  []byte
	Mode   uint32 // permissions of a file
	Target string
}

type kind int

const (
	none kind = iota
	file
	directory
	symlink
)

func newModel() *model {
	return &model{Names: map[string]int{"": 0}, Nodes: map[int]*modelNode{0: {Kind: directory}}, NextID: 1}
}

// clone copies a model.
func (m *model) clone() *model {
	c := &model{Names: maps.Clone(m.Names), Nodes: map[int]*modelNode{}, NextID: m.NextID}
	for id, n := range m.Nodes {
		d := *n
		d.Bytes = bytes.Clone(n.Bytes)
		c.Nodes[id] = &d
	}
	return c
}

func (m *model) node(path string) *modelNode {
	id, ok := m.Names[path]
	if !ok {
		return &modelNode{}
	}
	return m.Nodes[id]
}

func (m *model) kind(path string) kind { return m.node(path).Kind }
func (m *model) size(path string) int64 {
	return int64(len(m.node(path).Bytes))
}

// same tells whether two names are of one node.
func (m *model) same(a, b string) bool {
	x, ok1 := m.Names[a]
	y, ok2 := m.Names[b]
	return ok1 && ok2 && x == y
}

// list lists the names of a type, in order.
func (m *model) list(t fs.FileMode) (out []string) {
	want := file
	if t == fs.ModeDir {
		want = directory
	}
	for _, name := range slices.Sorted(maps.Keys(m.Names)) {
		if m.kind(name) == want {
			out = append(out, name)
		}
	}
	return out
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func (m *model) empty(dir string) bool {
	for name := range m.Names {
		if name != dir && within(name, dir) {
			return false
		}
	}
	return true
}

func (m *model) add(path string, n *modelNode) {
	m.Nodes[m.NextID] = n
	m.Names[path] = m.NextID
	m.NextID++
}

// apply does a step.
func (m *model) apply(s step) {
	n := m.node(s.Path)
	switch s.Do {
	case "create":
		m.add(s.Path, &modelNode{Kind: file, Bytes: pattern(s.Seed, s.Len), Mode: 0o644})
	case "write", "mmap":
		n.write(s.Off, pattern(s.Seed, s.Len))
	case "append", "log":
		n.write(int64(len(n.Bytes)), pattern(s.Seed, s.Len))
	case "save":
		m.add(s.To, &modelNode{Kind: file, Bytes: pattern(s.Seed, s.Len), Mode: 0o644})
	case "rename":
		m.rename(s.Path, s.To)
	case "mkdir":
		m.add(s.Path, &modelNode{Kind: directory})
	case "unlink", "rmdir":
		delete(m.Names, s.Path)
	case "truncate":
		if s.Off <= int64(len(n.Bytes)) {
			n.Bytes = n.Bytes[:s.Off:s.Off]
		} else {
			n.write(int64(len(n.Bytes)), make([]byte, s.Off-int64(len(n.Bytes))))
		}
	case "link":
		m.Names[s.To] = m.Names[s.Path]
	case "symlink":
		m.add(s.Path, &modelNode{Kind: symlink, Target: s.To})
	case "chmod":
		n.Mode = uint32(s.Off)
	}
}

func (n *modelNode) write(off int64, b []byte) {
	if grow := off + int64(len(b)) - int64(len(n.Bytes)); grow > 0 {
		n.Bytes = append(n.Bytes, make([]byte, grow)...)
	}
	copy(n.Bytes[off:], b)
}

func (m *model) rename(from, to string) {
	if m.same(from, to) {
		return
	}
	moved := map[string]int{}
	for name, id := range m.Names {
		if name != "" && within(name, from) {
			moved[to+strings.TrimPrefix(name, from)] = id
			delete(m.Names, name)
		}
	}
	maps.Copy(m.Names, moved)
}

// stages are the states that a step may have left when it was not acknowledged: those before it and after it, and
// between the parts of one that has several.
func (m *model) stages(s step) []*model {
	after := m.clone()
	after.apply(s)
	out := []*model{m, after}
	middle := m.clone()
	switch s.Do {
	case "create":
		middle.add(s.Path, &modelNode{Kind: file, Mode: 0o644})
		out = append(out, middle)
	case "save":
		middle.add(s.Path, &modelNode{Kind: file, Mode: 0o644})
		full := m.clone()
		full.add(s.Path, &modelNode{Kind: file, Mode: 0o644, Bytes: pattern(s.Seed, s.Len)})
		out = append(out, middle, full)
	}
	return out
}

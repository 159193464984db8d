//go:build amd64 || arm64

package sandbox

// WithoutNamespaces answers a box like the one of a machine that allows none.
func (b *Box) WithoutNamespaces() *Box { return &Box{landlock: b.landlock} }

package cache

// at names a point at which a kill is tried by tests: between two steps, of which the first is recorded.
func (r *Replica) at(point string) {
	if r.cfg.fault != nil {
		r.cfg.fault(point)
	}
}

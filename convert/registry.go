package convert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dropfs/convert/magic"
)

// Registry knows the engines of this machine, and the service's where there is one. It does not change once it is made, but
// what its engines offer may.
type Registry struct {
	local, remote []Engine
	remoteFirst   bool
}

// NewRegistry makes a registry of the engines of this machine. Of engines that can do the same equally well the first is
// taken.
func NewRegistry(engines ...Engine) *Registry { return &Registry{local: engines} }

// WithService answers a registry that also has a service's engine; first: it is asked before those of this machine.
func (r *Registry) WithService(e Engine, first bool) *Registry {
	return &Registry{local: r.local, remote: []Engine{e}, remoteFirst: first}
}

// Engines lists the engines, those of this machine first.
func (r *Registry) Engines() []Engine { return slices.Concat(r.local, r.remote) }

// choices are the sets of engines that a plan is looked for with, one after the other: where a step is done may be said
// (via); else what is preferred comes first, then the other, then both together.
func (r *Registry) choices(via string) [][]Engine {
	switch {
	case via == "local":
		return [][]Engine{r.local}
	case via == "remote":
		return [][]Engine{r.remote}
	case len(r.remote) == 0:
		return [][]Engine{r.local}
	case r.remoteFirst:
		return [][]Engine{r.remote, r.local, r.Engines()}
	}
	return [][]Engine{r.local, r.remote, r.Engines()}
}

const (
	maxLegs = 3   // of one step
	maxLoss = 100 // a chain that loses so much is not made of what nobody asked for
)

// Leg is one edge of a plan.
type Leg struct {
	Engine Engine
	Edge   Edge
	Step   magic.Step // what the edge is asked to do
	To     string     // extension of what it makes; "" a dirop
}

// Plan is how a step is done: the last leg does it, those before bring the source into a form that it takes.
type Plan []Leg

// presentations are the formats whose pages are called slides.
var presentations = []string{"pptx", "odp", "ppt"}

// Key names the engines and their versions, for the key of a result.
func (p Plan) Key() string {
	names := make([]string, len(p))
	for i, l := range p {
		names[i] = l.Engine.Name() + "/" + l.Engine.Version()
	}
	return strings.Join(names, "+")
}

// Plan finds the best way to do a step with sources of extension from: what loses least, then what costs least. many tells
// that there are several sources. ErrUnsupported where there is none.
func (r *Registry) Plan(step magic.Step, from string, many bool) (Plan, error) {
	from = magic.Ext(from)
	asked := step
	if step.Op == magic.Slides && slices.Contains(presentations, from) {
		step.Op = magic.Pages
	}
	for _, engines := range r.choices(step.Options["via"]) {
		if best, ok := (search{edges: edgesOf(engines), step: step}).best(from, many, maxLegs); ok {
			return best.legs, nil
		}
	}
	return nil, fmt.Errorf("%w: %s of %q", ErrUnsupported, asked.Key(), from)
}

type offer struct {
	engine Engine
	edge   Edge
}

func edgesOf(engines []Engine) []offer {
	var out []offer
	for _, e := range engines {
		for _, edge := range e.Edges() {
			out = append(out, offer{e, edge})
		}
	}
	return out
}

// search finds plans for one step.
type search struct {
	edges []offer
	step  magic.Step
}

type route struct {
	legs       Plan
	loss, cost int
}

func (a route) betterThan(b route) bool {
	return cmp.Or(cmp.Compare(a.loss, b.loss), cmp.Compare(a.cost, b.cost), cmp.Compare(len(a.legs), len(b.legs))) < 0
}

// best is the best route from an extension with at most legs legs. What keeps the format of its source has one leg: the
// source's format is what was asked for.
func (s search) best(from string, many bool, legs int) (best route, ok bool) {
	take := func(r route) {
		if !ok || r.betterThan(best) {
			best, ok = r, true
		}
	}
	for _, o := range s.edges {
		if !takes(o.edge, from) || many && !o.edge.Many {
			continue
		}
		if o.edge.Op == s.step.Op && honours(o.edge, s.step.Options) && (o.edge.To != "=" || legs == maxLegs) && s.makes(o, from) {
			to := o.edge.To
			if to == "=" {
				to = from
			}
			if f := s.step.Options["format"]; f != "" && to != "" {
				to = f
			}
			take(route{legs: Plan{{o.engine, o.edge, s.step, to}}, loss: o.edge.Loss, cost: o.edge.Cost})
		}
		if legs == 1 || many || o.edge.To == from || !isConversion(o.edge) || o.edge.Op == s.step.Op {
			continue
		}
		rest, found := s.best(o.edge.To, false, legs-1)
		if !found || o.edge.Loss+rest.loss >= maxLoss || visits(rest.legs, from) || s.senseless(from, rest.legs) {
			continue
		}
		first := Leg{o.engine, o.edge, magic.Step{Op: o.edge.Op}, o.edge.To}
		take(route{legs: append(Plan{first}, rest.legs...), loss: o.edge.Loss + rest.loss, cost: o.edge.Cost + rest.cost})
	}
	return best, ok
}

// makes tells whether an edge makes what the step is asked for. Where a format is asked for by its option, an edge that
// names another one and honours the option does, unless its engine has one of that format.
func (s search) makes(o offer, from string) bool {
	want := s.step.Output(from)
	if o.edge.To == want || o.edge.To == "=" || o.edge.To == "" {
		return true
	}
	return s.step.Options["format"] != "" && !slices.ContainsFunc(s.edges, func(other offer) bool {
		return other.engine == o.engine && other.edge.Op == o.edge.Op && other.edge.From == o.edge.From && other.edge.To == want
	})
}

// moving are the formats of sound and of moving pictures.
var moving = []string{"mp3", "opus", "ogg", "flac", "wav", "m4a", "aac", "mp4", "webm", "mkv", "mov", "avi"}

// senseless tells whether a chain makes sound, or moving pictures, of what has none: it could be done, and nobody means it.
func (s search) senseless(from string, legs Plan) bool {
	makes := s.step.Op == magic.Frames || slices.ContainsFunc(legs, func(l Leg) bool { return slices.Contains(moving, l.To) })
	return makes && !slices.Contains(moving, from)
}

// isConversion tells whether an edge may be a leg before the last: one file of a named format makes one of another.
func isConversion(e Edge) bool {
	return e.From != "*" && e.To != "" && e.To != "=" && magic.Step{Op: e.Op}.Kind() == magic.Format && e.Op == e.To
}

func visits(legs Plan, ext string) bool {
	return slices.ContainsFunc(legs, func(l Leg) bool { return l.To == ext })
}

func takes(e Edge, ext string) bool { return e.From == ext || e.From == "*" }

// honours is V1. Where a step is done is not the engine's business.
func honours(e Edge, o magic.Options) bool {
	for key := range o {
		if key != "via" && !slices.Contains(e.Options, key) {
			return false
		}
	}
	return true
}

// Offer is one op that a format has.
type Offer struct {
	Op      string
	To      string // extension of the result; "" a dirop
	Options []string
	Plan    Plan
}

// Offers lists what can be had of a format, one for each op, in order of names.
func (r *Registry) Offers(from string) []Offer {
	from = magic.Ext(from)
	var ops []string
	for _, o := range edgesOf(r.Engines()) {
		ops = append(ops, o.edge.Op)
	}
	slices.Sort(ops)
	var out []Offer
	for _, op := range slices.Compact(ops) {
		if op == from {
			continue
		}
		plan, err := r.Plan(magic.Step{Op: op}, from, false)
		if err != nil {
			continue
		}
		last := plan[len(plan)-1]
		out = append(out, Offer{Op: op, To: last.To, Options: slices.Clone(last.Edge.Options), Plan: plan})
	}
	return out
}

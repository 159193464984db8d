package text

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"dropfs/convert"
)

// readYAML reads a document; several become a list.
func readYAML(ctx context.Context, src []byte) (any, error) {
	d := yaml.NewDecoder(bytes.NewReader(src))
	u := unfold{ctx: ctx}
	var all []any
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		v, err := u.value(&n, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0], nil
	}
	return all, nil
}

// unfold makes values of nodes, each alias a copy of what it names, as long as there are not too many (T4).
type unfold struct {
	ctx    context.Context
	values int
	bytes  int // of texts
}

func (u *unfold) value(n *yaml.Node, depth int) (any, error) {
	u.bytes += len(n.Value)
	if u.values++; u.values > maxValues || u.bytes > maxUnfold {
		return nil, fmt.Errorf("%w: more than %d values, or %d bytes of them", convert.ErrTooLarge, maxValues, maxUnfold)
	}
	if u.values%1024 == 0 && u.ctx.Err() != nil {
		return nil, u.ctx.Err()
	}
	if err := tooDeep(depth); err != nil { // an alias in what it names ends here too
		return nil, err
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return u.value(n.Content[0], depth+1)
	case yaml.AliasNode:
		return u.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := u.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return u.mapping(n, depth)
	case yaml.ScalarNode:
		return scalar(n)
	}
	return nil, nil
}

func (u *unfold) mapping(n *yaml.Node, depth int) (any, error) {
	o, at := object{}, map[string]int{}
	var merged []object
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		v, err := u.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		if key.Tag == "!!merge" {
			merged = append(merged, objectsOf(v)...)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			return nil, errors.New("a key that is no single value")
		}
		if _, twice := at[key.Value]; twice {
			return nil, fmt.Errorf("line %d: the key %q twice", key.Line, key.Value)
		}
		o = o.set(at, key.Value, v)
	}
	for _, m := range merged { // what is there already stays
		for _, f := range m {
			if _, ok := at[f.key]; !ok {
				o = o.set(at, f.key, f.value)
			}
		}
	}
	return o, nil
}

// objectsOf is what a merge key names: an object or a list of them.
func objectsOf(v any) []object {
	switch v := v.(type) {
	case object:
		return []object{v}
	case []any:
		var out []object
		for _, x := range v {
			if o, ok := x.(object); ok {
				out = append(out, o)
			}
		}
		return out
	}
	return nil
}

// scalar reads a single value by the rules of YAML 1.2. A time stays the text that it is.
func scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		var b bool
		err := n.Decode(&b)
		return b, err
	case "!!int":
		text := strings.ReplaceAll(n.Value, "_", "")
		i, ok := new(big.Int).SetString(strings.TrimPrefix(text, "+"), 0)
		if !ok || len(text) > 1000 {
			return nil, fmt.Errorf("line %d: %.20q is no number", n.Line, n.Value)
		}
		return json.Number(i.String()), nil
	case "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value), nil
		}
		var x float64
		if err := n.Decode(&x); err != nil {
			return nil, err
		}
		return number(x), nil
	}
	return n.Value, nil
}

func writeYAML(v any, o io.Writer) error {
	e := yaml.NewEncoder(o)
	e.SetIndent(2)
	if err := e.Encode(nodeOf(v)); err != nil {
		return err
	}
	return e.Close()
}

// nodeOf makes the node of a value.
func nodeOf(v any) *yaml.Node {
	one := func(tag, text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text} }
	switch v := v.(type) {
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, f := range v {
			n.Content = append(n.Content, one("!!str", f.key), nodeOf(f.value))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, x := range v {
			n.Content = append(n.Content, nodeOf(x))
		}
		return n
	case bool:
		return one("!!bool", map[bool]string{true: "true", false: "false"}[v])
	case json.Number:
		return one("", yamlNumber(string(v))) // which it is by what it looks like
	case float64:
		switch {
		case math.IsNaN(v):
			return one("!!float", ".nan")
		case v < 0:
			return one("!!float", "-.inf")
		}
		return one("!!float", ".inf")
	case string:
		n := one("!!str", v)
		switch {
		case strings.Contains(v, "\n"):
			n.Style = yaml.LiteralStyle
		case slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(v)): // bool in YAML 1.1
			n.Style = yaml.DoubleQuotedStyle
		}
		return n
	}
	return one("!!null", "null")
}

// yamlNumber writes a number so that those who read YAML 1.1 take it for one, too: with an exponent it has a point, and the
// exponent a sign (https://yaml.org/type/float.html). To them 4e-08 is text.
func yamlNumber(n string) string {
	mantissa, exponent, ok := strings.Cut(strings.ToLower(n), "e")
	if !ok {
		return n
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if !strings.HasPrefix(exponent, "-") && !strings.HasPrefix(exponent, "+") {
		exponent = "+" + exponent
	}
	return mantissa + "e" + exponent
}

package text

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/pelletier/go-toml/v2"

	"dropfs/convert"
	"dropfs/convert/native/internal/bounded"
)

// A value is nil, a bool, a string, a json.Number, a float64 that is not finite, a []any or an object.

// object keeps its members in order.
type object []field

type field struct {
	key   string
	value any
}

const (
	maxDepth  = 500      // of lists and objects within each other
	maxValues = 1000000  // of a yaml, aliases unfolded
	maxUnfold = 64 << 20 // bytes of the texts of them
)

// fromData reads data and writes it in another form. The order of keys stays, but where toml is read or written.
func fromData(ctx context.Context, path, from, to string, o *bounded.Output) error {
	src, err := readAll(ctx, path, maxText)
	if err != nil {
		return err
	}
	src = utf8Text(src)
	v, err := bounded.Await(ctx, func() (any, error) {
		switch from {
		case "json":
			return readJSON(src)
		case "yaml":
			return readYAML(ctx, src)
		}
		return readTOML(src)
	})
	if err != nil {
		return err
	}
	_, err = bounded.Await(ctx, func() (struct{}, error) {
		switch to {
		case "json":
			w := jsonWriter{o: o}
			if err := w.value(v, "\n"); err != nil {
				return struct{}{}, err
			}
			return struct{}{}, w.flush("\n")
		case "yaml":
			return struct{}{}, writeYAML(v, o)
		}
		return struct{}{}, writeTOML(v, o)
	})
	return err
}

func tooDeep(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: values nested more than %d deep", convert.ErrBroken, maxDepth)
	}
	return nil
}

func readJSON(src []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	v, err := jsonValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

// jsonValue reads the next value. Of members with one key the last is taken, as everywhere.
func jsonValue(d *json.Decoder, depth int) (any, error) {
	if err := tooDeep(depth); err != nil {
		return nil, err
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := jsonValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	case json.Delim('{'):
		o := object{}
		at := map[string]int{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			name, _ := key.(string) // a key is one
			v, err := jsonValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			o = o.set(at, name, v)
		}
		_, err = d.Token()
		return o, err
	}
	return token, nil
}

func (o object) set(at map[string]int, key string, v any) object {
	if i, ok := at[key]; ok {
		o[i].value = v
		return o
	}
	at[key] = len(o)
	return append(o, field{key, v})
}

// jsonWriter writes values in lines.
type jsonWriter struct {
	b bytes.Buffer
	o io.Writer
}

func (w *jsonWriter) flush(end string) error {
	w.b.WriteString(end)
	_, err := w.b.WriteTo(w.o)
	return err
}

// value writes a value; line begins its lines.
func (w *jsonWriter) value(v any, line string) error {
	if w.b.Len() > 1<<16 {
		if err := w.flush(""); err != nil {
			return err
		}
	}
	inner := line + "  "
	switch v := v.(type) {
	case object:
		open := "{" + inner
		for _, f := range v {
			w.b.WriteString(open)
			if err := w.one(f.key); err != nil {
				return err
			}
			w.b.WriteString(": ")
			if err := w.value(f.value, inner); err != nil {
				return err
			}
			open = "," + inner
		}
		w.end(len(v), "{}", line+"}")
	case []any:
		open := "[" + inner
		for _, x := range v {
			w.b.WriteString(open)
			if err := w.value(x, inner); err != nil {
				return err
			}
			open = "," + inner
		}
		w.end(len(v), "[]", line+"]")
	default:
		return w.one(v)
	}
	return nil
}

func (w *jsonWriter) end(n int, empty, end string) {
	if n == 0 {
		end = empty
	}
	w.b.WriteString(end)
}

// one writes a value that holds no other, with the characters of HTML as they are.
func (w *jsonWriter) one(v any) error {
	e := json.NewEncoder(&w.b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	w.b.Truncate(w.b.Len() - 1) // the end of the line
	return nil
}

func readTOML(src []byte) (any, error) {
	var m map[string]any
	if err := toml.Unmarshal(src, &m); err != nil {
		return nil, err
	}
	return fromGo(m, 0)
}

// fromGo makes a value of what the decoder of toml answers.
func fromGo(v any, depth int) (any, error) {
	if err := tooDeep(depth); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case map[string]any:
		o := object{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			x, err := fromGo(v[key], depth+1)
			if err != nil {
				return nil, err
			}
			o = append(o, field{key, x})
		}
		return o, nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			x, err := fromGo(v[i], depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = x
		}
		return list, nil
	case int64:
		return json.Number(strconv.FormatInt(v, 10)), nil
	case float64:
		return number(v), nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case fmt.Stringer: // local dates and times
		return v.String(), nil
	}
	return v, nil
}

// number is a float as a value, with a point so that it stays one.
func number(x float64) any {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	s := strconv.FormatFloat(x, 'g', -1, 64)
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		s += ".0"
	}
	return json.Number(s)
}

func writeTOML(v any, o io.Writer) error {
	if _, ok := v.(object); !ok {
		return errors.New("toml holds an object, not a list or a single value")
	}
	g, err := toGo(v)
	if err != nil {
		return err
	}
	return toml.NewEncoder(o).Encode(g)
}

// toGo makes of a value what the encoder of toml takes. A member that is null is left out: toml has none.
func toGo(v any) (any, error) {
	switch v := v.(type) {
	case object:
		m := map[string]any{}
		for _, f := range v {
			if f.value == nil {
				continue
			}
			x, err := toGo(f.value)
			if err != nil {
				return nil, err
			}
			m[f.key] = x
		}
		return m, nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			if v[i] == nil {
				return nil, errors.New("toml has no null")
			}
			x, err := toGo(v[i])
			if err != nil {
				return nil, err
			}
			list[i] = x
		}
		return list, nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return v.Float64()
	}
	return v, nil
}

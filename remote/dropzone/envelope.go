package dropzone

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"dropfs/remote"
)

// decodeOne returns a decode function that reads one object into v: that under "data" where there is one, else the bare one.
func decodeOne(v any) func(io.Reader) error {
	return func(r io.Reader) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		var env struct {
			Status  text            `json:"status"`
			Message text            `json:"message"`
			Data    json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &env); err != nil {
			return syntaxError(err)
		}
		if strings.EqualFold(string(env.Status), "error") {
			return &remote.Error{Kind: remote.ErrProtocol, Message: string(env.Message)}
		}
		if d := bytes.TrimSpace(env.Data); len(d) > 0 && d[0] == '{' {
			body = d
		}
		return json.Unmarshal(body, v)
	}
}

// syntaxError makes a text cut short recognisable.
func syntaxError(err error) error {
	var se *json.SyntaxError
	if errors.As(err, &se) && strings.Contains(se.Error(), "unexpected end") {
		return io.ErrUnexpectedEOF
	}
	return err
}

var errNoList = errors.New("no list in the answer")

// decodeList returns a decode function that calls begin and then add for each object of a list: a bare one, or one under
// "data", "files" or "items", within "data" too. An answer without one is an error (D2). Elements that are no objects are
// passed over.
func decodeList[T any](begin func(), add func(T)) func(io.Reader) error {
	return func(r io.Reader) error {
		begin()
		dec := json.NewDecoder(r)
		found, err := findList(dec, 0, func() error {
			for dec.More() {
				var v T
				err := dec.Decode(&v)
				var wrong *json.UnmarshalTypeError
				switch {
				case errors.As(err, &wrong):
					continue
				case err != nil:
					return err
				}
				add(v)
			}
			_, err := dec.Token() // the closing bracket
			return err
		})
		switch {
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case !found:
			return errNoList
		}
		return nil
	}
}

// findList walks one value, and calls list inside the first array that is the list.
func findList(dec *json.Decoder, depth int, list func() error) (bool, error) {
	tok, err := dec.Token()
	if err != nil {
		return false, err
	}
	if tok == json.Delim('[') {
		return true, list()
	}
	if tok != json.Delim('{') {
		return false, nil
	}
	found := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return false, err
		}
		if name, _ := key.(string); !found && depth < 2 && (name == "data" || name == "files" || name == "items" || name == "dropzones") {
			if found, err = findList(dec, depth+1, list); err != nil {
				return false, err
			}
			continue
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return false, err
		}
	}
	_, err = dec.Token() // the closing brace
	return found, err
}

package d3

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"dropfs/convert/magic"
)

// order is what a task is to do, as it is kept with the task (T13).
type order struct {
	Step    magic.Step        `json:"step"`
	Secrets map[string]string `json:"secrets,omitempty"` // by the names that the step's options have
}

// secret answers the engines.
func (o order) secret(name string) (string, error) {
	if s, ok := o.Secrets[name]; ok {
		return s, nil
	}
	return "", fmt.Errorf("no secret %q was given", name)
}

// together are the actions that make one file of all.
func together(op string) bool { return op == magic.Merge || op == magic.Zip }

// passwords are the parameters that actions take as secrets, by the options that name them.
var passwords = map[string]map[string]string{
	magic.Lock:          {"secret": "password"},
	magic.Unlock:        {"secret": "password"},
	magic.ResetPassword: {"secret": "old_password", "new_secret": "new_password"},
}

// maxPassword bounds a password, in bytes.
const maxPassword = 1024

// actionName gives an action its one name: lower case, create_zip as zip (T6).
func actionName(action string) string {
	action = strings.ToLower(strings.TrimSpace(action))
	if action == "create_zip" {
		return magic.Zip
	}
	return action
}

// bareExt gives an extension its one name.
func bareExt(ext string) string { return magic.Ext(strings.TrimLeft(strings.TrimSpace(ext), ".")) }

// extOf is the extension of a file's name.
func extOf(name string) string { return bareExt(path.Ext(name)) }

// readOrder turns an action and its parameters into a step, which is checked by its grammar. Errors are invalid requests.
func readOrder(action string, parameters map[string]any) (order, error) {
	rest := map[string]string{}
	for k, v := range parameters {
		text, err := parameterText(v)
		if err != nil {
			return order{}, invalid(fmt.Sprintf("The parameter %q must be a text, a number, or true or false.", k))
		}
		if text != "" {
			rest[k] = text
		}
	}
	take := func(name string) string {
		v := rest[name]
		delete(rest, name)
		return v
	}
	var o order
	op := actionName(action)
	switch {
	case op == "convert":
		if op = bareExt(take("convert_to")); op == "" {
			return o, invalid("The parameter convert_to is required.")
		}
		if !slices.Contains(magic.Formats(), op) {
			return o, unsupported("Nothing can be converted to " + strconv.Quote(op) + ".")
		}
	case op == "":
		return o, invalid("action is required.")
	case (magic.Step{Op: op}).Kind() != magic.Action:
		return o, unsupported("There is no action " + strconv.Quote(action) + ".")
	}
	named, err := o.takeSecrets(op, take)
	if err != nil {
		return o, err
	}
	said := map[string]string{}
	if level := strings.ToLower(take("compression_value")); level != "" {
		if op != magic.Compress || rest["level"] != "" {
			return o, invalid("The parameter compression_value is one of compress.")
		}
		rest["level"], said["level"] = level, "compression_value"
	}
	for _, name := range []string{"secret", "new_secret", "via"} {
		if rest[name] != "" {
			return o, invalid(fmt.Sprintf("There is no parameter %q.", name))
		}
	}
	if o.Step, err = readStep(op, rest, said); err != nil {
		return o, err
	}
	if len(named) > 0 {
		if o.Step.Options == nil {
			o.Step.Options = magic.Options{}
		}
		maps.Copy(o.Step.Options, named)
	}
	return o, nil
}

// takeSecrets takes the passwords of an action from its parameters, and answers the options that name them.
func (o *order) takeSecrets(op string, take func(string) string) (magic.Options, error) {
	named := magic.Options{}
	for option, parameter := range passwords[op] {
		v := take(parameter)
		if v == "" || len(v) > maxPassword {
			return nil, invalid(fmt.Sprintf("The parameter %s is required, with at most %d bytes.", parameter, maxPassword))
		}
		if o.Secrets == nil {
			o.Secrets = map[string]string{}
		}
		o.Secrets[parameter], named[option] = v, parameter
	}
	return named, nil
}

// escapes are the bytes that a value of a magic name cannot have.
var escapes = strings.NewReplacer("%", "%25", "/", "%2F", ",", "%2C", "@", "%40", ".", "%2E")

// readStep checks options by the grammar of magic names. Defaults are left out: an engine need not know them. said has the
// names of those that a request calls otherwise.
func readStep(op string, options, said map[string]string) (magic.Step, error) {
	s := magic.Step{Op: op}
	for _, key := range slices.Sorted(maps.Keys(options)) {
		// Each by itself, so that the one which is wrong can be told.
		p, err := magic.Parse("@"+op+","+key+"="+escapes.Replace(options[key]), "")
		if err != nil || len(p.Steps) != 1 || len(p.Steps[0].Options) != 1 {
			return s, invalid(fmt.Sprintf("The parameter %q does not exist, or has no such value.", cmp.Or(said[key], key)))
		}
		for long, v := range p.Steps[0].Options {
			if _, twice := s.Options[long]; twice {
				return s, invalid(fmt.Sprintf("The parameter %q was given twice.", long))
			}
			if v == magic.Default(long) {
				continue
			}
			if s.Options == nil {
				s.Options = magic.Options{}
			}
			s.Options[long] = v
		}
	}
	return s, nil
}

// parameterText writes a parameter as text; null and "" are none (T6).
func parameterText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("%T is no plain value", v)
}

// resultName is how the result of a step is called.
func resultName(o order, source, to string, several bool) string {
	base := path.Base(strings.ReplaceAll(source, `\`, "/"))
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	switch {
	case stem == "" || stem == "." || stem == "/":
		stem = "file"
	case o.Step.Op == magic.Merge:
		stem = "merged"
	case o.Step.Op == magic.Zip && several:
		stem = "files"
	}
	if to == "" {
		return stem
	}
	if bareExt(ext) == to && !together(o.Step.Op) {
		return stem + ext // as it was spelled
	}
	return stem + "." + to
}

package d3

import (
	"net/http"
	"strings"

	"dropfs/remote"
	"dropfs/remote/httpx"
)

// apiError reads an error of the API (wire/d3.md §10): an object, with or without words of any shape. What is no object
// is left to the transport, which knows pages for people and empty bodies.
func apiError(status int, _ http.Header, body []byte) (remote.Kind, string) {
	o, ok := parseObject(body)
	if !ok {
		if status == http.StatusRequestEntityTooLarge {
			return remote.ErrTooLarge, ""
		}
		return "", ""
	}
	return kindOf(status, codeOf(o)), messageOf(o)
}

// codeOf finds the code of an error, lower case.
func codeOf(o object) string {
	for _, in := range []object{o, o.object("error"), o.object("data")} {
		for _, name := range []string{"errorcode", "error", "code", "type"} {
			if s := in.text(name); s != "" {
				return strings.ToLower(s)
			}
		}
	}
	return ""
}

// messageOf finds the service's words in an error; "" where there are none.
func messageOf(o object) string {
	for _, in := range []object{o, o.object("error"), o.object("data")} {
		for _, name := range []string{"message", "errormessage", "error", "detail", "reason", "title"} {
			if s := in.text(name); s != "" {
				return s
			}
		}
	}
	for _, raw := range o.list("errors") {
		if s := textOf(raw); s != "" {
			return s
		}
		if in, ok := parseObject(raw); ok && in.text("message") != "" {
			return in.text("message")
		}
	}
	return ""
}

// kindOf is the kind of a status, made more exact by a code where the status leaves it open.
func kindOf(status int, code string) remote.Kind {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return remote.ErrTooLarge
	case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity:
		if k := kindOfCode(code); k != "" {
			return k
		}
	}
	return httpx.KindOfStatus(status)
}

func kindOfCode(code string) remote.Kind {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(code, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("rate_limit", "rate limit", "too_many"):
		return remote.ErrRateLimited
	case has("credit", "quota", "payment", "billing", "plan_limit"):
		return remote.ErrPayment
	case has("too_large", "too large", "size_limit", "max_size"):
		return remote.ErrTooLarge
	case has("not_found", "not found", "no_such", "unknown_key"):
		return remote.ErrNotFound
	case has("unsupported", "not_supported", "not supported"):
		return remote.ErrUnsupported
	case has("api_key", "unauthorized", "authentication"):
		return remote.ErrCredentials
	}
	return ""
}

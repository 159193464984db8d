package web

import (
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"
)

// Disposition is the Content-Disposition that saves a file under name, RFC 6266 with RFC 5987 for what is not ASCII. Of
// a name with slashes it is the last part.
func Disposition(name string) string {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	if base == "." || base == "/" || base == ".." {
		base = "file"
	}
	var plain, ext strings.Builder
	exact := utf8.ValidString(base)
	for _, r := range base {
		switch {
		case r < 0x20 || r >= 0x7f || r == '"' || r == '\\' || r == '%':
			plain.WriteByte('_')
			exact = false
		default:
			plain.WriteRune(r)
		}
	}
	out := `attachment; filename="` + plain.String() + `"`
	if exact {
		return out
	}
	const hex = "0123456789ABCDEF"
	for _, c := range []byte(strings.ToValidUTF8(base, "_")) {
		// attr-char of RFC 5987.
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			ext.WriteByte(c)
		} else {
			ext.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return out + "; filename*=UTF-8''" + ext.String()
}

// SafeType returns a media type as it may stand in a header; what is none is application/octet-stream.
func SafeType(t string) string {
	media, params, err := mime.ParseMediaType(t)
	if err != nil || !strings.Contains(media, "/") {
		return "application/octet-stream"
	}
	if out := mime.FormatMediaType(media, params); out != "" {
		return out
	}
	return "application/octet-stream"
}

// BaseURL returns scheme and host as the client sees them: public where it is set, else what the request says. Of the
// X-Forwarded headers it believes only those of a proxy that the hub stands behind.
func BaseURL(r *http.Request, public string, behindProxy bool) string {
	if public != "" {
		return strings.TrimRight(public, "/")
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if behindProxy {
		if v := first(r.Header.Get("X-Forwarded-Proto")); v == "http" || v == "https" {
			scheme = v
		}
		if v := first(r.Header.Get("X-Forwarded-Host")); v != "" && !strings.ContainsAny(v, "/?#@ ") {
			host = v
		}
	}
	return scheme + "://" + host
}

func first(list string) string {
	v, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(v)
}

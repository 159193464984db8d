package objects

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// ErrSignature is the answer to a URL that was not made by Signer.
var ErrSignature = errors.New("the signature does not fit")

// ErrExpired is the answer to a URL whose time is over.
var ErrExpired = errors.New("the URL has expired")

// Claim is what a signed URL allows (O2).
type Claim struct {
	Method  string
	Key     string
	Part    int
	Size    int64
	Type    string
	Expires time.Time // whole seconds
}

// Signer makes and checks signed URLs of the hub's own.
type Signer struct {
	Secret []byte
	Now    func() time.Time
}

// Query returns the parameters that carry the claim; key and method are not among them.
func (s Signer) Query(c Claim) url.Values {
	v := url.Values{
		"expires": {strconv.FormatInt(c.Expires.Unix(), 10)},
		"size":    {strconv.FormatInt(c.Size, 10)},
		"type":    {c.Type},
		"sig":     {s.mac(c)},
	}
	if c.Part > 0 {
		v.Set("part", strconv.Itoa(c.Part))
	}
	return v
}

// Check reads the claim of a request. ErrSignature, ErrExpired.
func (s Signer) Check(method, key string, v url.Values) (Claim, error) {
	c := Claim{Method: method, Key: key, Type: v.Get("type")}
	var err, err2, err3 error
	if v.Has("part") {
		c.Part, err = strconv.Atoi(v.Get("part"))
	}
	c.Size, err2 = strconv.ParseInt(v.Get("size"), 10, 64)
	seconds, err3 := strconv.ParseInt(v.Get("expires"), 10, 64)
	if err != nil || err2 != nil || err3 != nil {
		return c, ErrSignature
	}
	c.Expires = time.Unix(seconds, 0)
	if !hmac.Equal([]byte(v.Get("sig")), []byte(s.mac(c))) {
		return c, ErrSignature
	}
	if !s.Now().Before(c.Expires) {
		return c, ErrExpired
	}
	return c, nil
}

// mac signs every field with its length in front, so that no two claims have the same text.
func (s Signer) mac(c Claim) string {
	h := hmac.New(sha256.New, s.Secret)
	for _, field := range []string{
		"dropfs-1", c.Method, c.Key, strconv.Itoa(c.Part), strconv.FormatInt(c.Size, 10), c.Type,
		strconv.FormatInt(c.Expires.Unix(), 10),
	} {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(field), field) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

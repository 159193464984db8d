package transfer

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"

	"dropfs/remote"
)

// storeError reads the error of an object store, in S3's XML or a JSON object, and says what it means for a signed URL.
// A refusal that gives no reason is taken for an URL that has ended: asking for a new one is the remedy that does no harm.
func storeError(status int, _ http.Header, body []byte) (remote.Kind, string) {
	code, message := parseStoreError(body)
	if kind, ok := codeKind(code, message); ok {
		return kind, strings.TrimSpace(code + " " + message)
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusGone:
		if mentionsExpiry(code + " " + message) {
			return remote.ErrExpiredURL, message
		}
		if status == http.StatusForbidden && code == "" && message == "" {
			return remote.ErrExpiredURL, "refused without a reason"
		}
	case http.StatusRequestEntityTooLarge:
		return remote.ErrTooLarge, message
	}
	if code == "" && message == "" {
		return "", ""
	}
	return kindOfStatus(status), strings.TrimSpace(code + " " + message)
}

// kindOfStatus is for answers whose body was understood, but for no code that is known.
func kindOfStatus(status int) remote.Kind {
	switch {
	case status == http.StatusNotFound:
		return remote.ErrNotFound
	case status == http.StatusConflict:
		return remote.ErrConflict
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return remote.ErrDenied
	case status == http.StatusPreconditionFailed, status == http.StatusRequestedRangeNotSatisfiable:
		return remote.ErrChanged
	case status == http.StatusTooManyRequests:
		return remote.ErrRateLimited
	case status == http.StatusInsufficientStorage:
		return remote.ErrQuota
	case status >= 500, status == http.StatusRequestTimeout:
		return remote.ErrUnavailable
	case status >= 400:
		return remote.ErrInvalid
	}
	return remote.ErrProtocol
}

// codeKind maps the error codes of S3 and those that behave like it.
func codeKind(code, message string) (remote.Kind, bool) {
	switch code {
	case "ExpiredToken", "TokenRefreshRequired", "RequestExpired", "ExpiredPresignRequest", "InvalidToken":
		return remote.ErrExpiredURL, true
	case "AccessDenied":
		if mentionsExpiry(message) {
			return remote.ErrExpiredURL, true
		}
		return remote.ErrDenied, true
	case "SignatureDoesNotMatch", "InvalidAccessKeyId", "RequestTimeTooSkewed":
		return remote.ErrDenied, true
	case "EntityTooLarge":
		return remote.ErrTooLarge, true
	case "BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "IncompleteBody":
		return remote.ErrCorrupt, true
	case "NoSuchUpload", "NoSuchKey", "NoSuchBucket":
		return remote.ErrNotFound, true
	case "SlowDown", "TooManyRequests", "RequestLimitExceeded":
		return remote.ErrRateLimited, true
	case "RequestTimeout", "InternalError", "ServiceUnavailable", "OperationAborted":
		return remote.ErrUnavailable, true
	case "QuotaExceeded", "XMinioStorageFull":
		return remote.ErrQuota, true
	case "PreconditionFailed", "InvalidRange":
		return remote.ErrChanged, true
	}
	return "", false
}

func mentionsExpiry(s string) bool { return strings.Contains(strings.ToLower(s), "expire") }

// parseStoreError finds code and message in the body of an error; both are "" where it is neither XML nor JSON.
func parseStoreError(body []byte) (code, message string) {
	body = bytes.TrimSpace(body)
	switch {
	case bytes.HasPrefix(body, []byte("{")):
		var j struct {
			Code    json.RawMessage `json:"code"`
			Message string          `json:"message"`
			Error   json.RawMessage `json:"error"`
		}
		if json.Unmarshal(body, &j) != nil {
			return "", ""
		}
		_ = json.Unmarshal(j.Code, &code)
		if j.Message == "" {
			_ = json.Unmarshal(j.Error, &j.Message)
		}
		return code, j.Message
	case bytes.HasPrefix(body, []byte("<")):
		return parseXML(body)
	}
	return "", ""
}

// parseXML reads the first Code and Message elements, wherever they stand, as far as the text can be read.
func parseXML(body []byte) (code, message string) {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.Strict = false
	var in string
	for {
		tok, err := d.Token()
		if err != nil {
			return code, message
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if in = t.Name.Local; strings.EqualFold(in, "html") {
				return "", ""
			}
		case xml.EndElement:
			in = ""
		case xml.CharData:
			switch {
			case in == "Code" && code == "":
				code = strings.TrimSpace(string(t))
			case in == "Message" && message == "":
				message = strings.TrimSpace(string(t))
			}
		}
	}
}

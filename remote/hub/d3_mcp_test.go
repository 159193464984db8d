package hub

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/sirupsen/logrus"
)

// withHeader sends headers with each request.
type withHeader struct{ name, value string }

func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if h.name != "" {
		r.Header.Set(h.name, h.value)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// dial connects the protocol's own client.
func (d *d3Site) dial(header, value string) (*mcp.ClientSession, error) {
	d.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	s, err := c.Connect(d.Context(), &mcp.StreamableClientTransport{
		Endpoint: d.srv.URL + "/mcp", HTTPClient: &http.Client{Transport: withHeader{header, value}}, MaxRetries: -1,
	}, nil)
	if err == nil {
		d.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func (d *d3Site) session(key string) *mcp.ClientSession {
	d.Helper()
	s, err := d.dial("Authorization", "Bearer "+key)
	if err != nil {
		d.Fatal(err)
	}
	return s
}

// call calls a tool and answers its structured content, or its sentence where it failed.
func (d *d3Site) call(s *mcp.ClientSession, tool string, in map[string]any) (out map[string]any, failure string) {
	d.Helper()
	res, err := s.CallTool(d.Context(), &mcp.CallToolParams{Name: tool, Arguments: in})
	if err != nil {
		return nil, err.Error()
	}
	if res.IsError {
		return nil, res.Content[0].(*mcp.TextContent).Text
	}
	out, ok := res.StructuredContent.(map[string]any)
	if !ok {
		d.Fatalf("%s: no structured content: %v", tool, res.StructuredContent)
	}
	noNulls(d.T, out)
	var text map[string]any
	if err := json.Unmarshal([]byte(res.Content[0].(*mcp.TextContent).Text), &text); err != nil || len(text) != len(out) {
		d.Fatalf("%s: the text is not the content: %v %v", tool, text, err)
	}
	return out, ""
}

// calls is call that must succeed.
func (d *d3Site) calls(s *mcp.ClientSession, tool string, in map[string]any) map[string]any {
	d.Helper()
	out, failure := d.call(s, tool, in)
	if failure != "" {
		d.Fatalf("%s: %s", tool, failure)
	}
	return out
}

// made waits for an operation of one task and reads its result.
func (d *d3Site) made(s *mcp.ClientSession, main any) (text, key string) {
	d.Helper()
	d.wait(1)
	a := d.calls(s, "poll_status", map[string]any{"main_task_id": main})
	files, _ := a["files_data"].([]any)
	if a["operation_status"] != "completed" || len(files) != 1 {
		d.Fatalf("%v", a)
	}
	f := files[0].(map[string]any)
	r := d.do(request{"GET", f["download_link"].(string), nil, nil})
	if r.Status != 200 {
		d.Fatalf("%v: %d %s", f, r.Status, r.Body)
	}
	return string(r.Body), f["file_key"].(string)
}

func TestMCPTools(t *testing.T) {
	d := newD3Site(t, nil)
	list, err := d.session(testKey).ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
		in, _ := tool.InputSchema.(map[string]any)
		if tool.Title == "" || tool.Description == "" || tool.OutputSchema == nil || in["additionalProperties"] == nil {
			t.Errorf("%+v", tool)
		}
		for name, p := range in["properties"].(map[string]any) {
			if p.(map[string]any)["description"] == nil {
				t.Errorf("%s: %s is not described", tool.Name, name)
			}
		}
	}
	slices.Sort(names)
	want := "complete_upload compress_file convert_file initiate_upload lock_pdf merge_files ocr_file poll_status " +
		"reset_pdf_password supported_operation thumbnail_file unlock_pdf upload_content zip_files"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s", got)
	}
}

func TestMCPWholeRound(t *testing.T) {
	d := newD3Site(t, nil)
	s := d.session(testKey)
	up := d.calls(s, "initiate_upload", map[string]any{"file_name": "a.txt", "size": 5, "mime_type": "text/plain", "parts": 2})
	parts := d.sendParts(up, []byte("hello"))
	d.calls(s, "complete_upload", map[string]any{
		"file_key": up["file_key"], "upload_id": up["upload_id"], "object_name": up["object_name"], "parts": parts,
	})
	op := d.calls(s, "convert_file", map[string]any{
		"file_keys": []any{up["file_key"]}, "convert_to": "md", "notes": map[string]any{"who": "me"},
	})
	if text, _ := d.made(s, op["main_task_id"]); text != "HELLO>@md" {
		t.Errorf("%q", text)
	}
	a := d.calls(s, "poll_status", map[string]any{"main_task_id": op["main_task_id"], "file_key": up["file_key"]})
	if a["notes"].(map[string]any)["who"] != "me" || a["action"] != "convert" {
		t.Errorf("%v", a)
	}
	a = d.calls(s, "supported_operation", map[string]any{"ext": "txt", "action": "convert", "parameters": map[string]any{"convert_to": "md"}})
	if a["supported"] != true {
		t.Errorf("%v", a)
	}
}

// TestMCPOperations does every operation, each with an upload in one step.
func TestMCPOperations(t *testing.T) {
	var log bytes.Buffer
	d := newD3Site(t, func(c *Config) {
		l := logrus.New()
		l.SetOutput(&log)
		l.SetLevel(logrus.DebugLevel)
		c.Log = logrus.NewEntry(l)
	})
	s := d.session(testKey)
	for _, c := range []struct {
		tool string
		in   map[string]any
		want string
	}{
		{"convert_file", map[string]any{"convert_to": "png", "options": map[string]any{"page": 2}}, "DOC>@png,page=2"},
		{"compress_file", map[string]any{"compression_value": "high"}, "DOC>@compress,level=high"},
		{"compress_file", nil, "DOC>@compress"},
		{"merge_files", nil, "DOC>@merge"},
		{"zip_files", nil, "DOC>@zip"},
		{"ocr_file", map[string]any{"options": map[string]any{"lang": "deu"}}, "DOC>@ocr,lang=deu"},
		{"ocr_file", nil, "DOC>@ocr"},
		{"thumbnail_file", map[string]any{"options": map[string]any{"format": "png"}}, "DOC>@thumb,format=png"},
		{"thumbnail_file", nil, "DOC>@thumb"},
		{"lock_pdf", map[string]any{"password": "pw-one"}, "DOC>@lock,secret=password(pw-one)"},
		{"unlock_pdf", map[string]any{"password": "pw-one"}, "DOC>@unlock,secret=password(pw-one)"},
		{"reset_pdf_password", map[string]any{"old_password": "pw-one", "new_password": "pw-two"}, "(pw-one)(pw-two)"},
	} {
		for _, content := range []map[string]any{{"text": "doc"}, {"base64": base64.StdEncoding.EncodeToString([]byte("doc"))}} {
			content["file_name"] = "a.pdf"
			if c.tool == "ocr_file" || c.tool == "thumbnail_file" {
				content["file_name"] = "a.jpg"
			}
			up := d.calls(s, "upload_content", content)
			in := map[string]any{"file_keys": []any{up["file_key"]}}
			for k, v := range c.in {
				in[k] = v
			}
			if text, _ := d.made(s, d.calls(s, c.tool, in)["main_task_id"]); !strings.HasSuffix(text, c.want) {
				t.Errorf("%s: %q", c.tool, text)
			}
		}
	}
	d.stop()
	if strings.Contains(log.String(), "pw-") {
		t.Error("a password is in the log")
	}
}

// TestMCPUploadContentOnS3: what is in a message goes to the store through the hub.
func TestMCPUploadContentOnS3(t *testing.T) {
	d, _ := newD3S3Site(t)
	s := d.session(testKey)
	up := d.calls(s, "upload_content", map[string]any{"file_name": "a.txt", "text": "hello"})
	op := d.calls(s, "convert_file", map[string]any{"file_keys": []any{up["file_key"]}, "convert_to": "md"})
	texts, _ := d.result(op["main_task_id"].(string), 1)
	if texts[0] != "HELLO>@md" {
		t.Errorf("%q", texts[0])
	}
}

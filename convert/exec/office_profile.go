package exec

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
)

// profile keeps LibreOffice from what a document could make it do: links and external pictures are not followed, macros not
// run, Java is not started. The sandbox holds all the same where a setting is not known.
const profile = `<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="BlockUntrustedRefererLinks" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableMacrosExecution" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableActiveContent" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="MacroSecurityLevel" oor:op="fuse"><value>3</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Misc"><prop oor:name="FirstRun" oor:op="fuse"><value>false</value></prop></item>
<item oor:path="/org.openoffice.Office.Java/VirtualMachine"><prop oor:name="Enable" oor:op="fuse"><value>false</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Content/Update"><prop oor:name="Link" oor:op="fuse"><value>1</value></prop></item>
<item oor:path="/org.openoffice.Office.Writer/Content/Update"><prop oor:name="Link" oor:op="fuse"><value>0</value></prop></item>
</oor:items>
`

// officeEnv draws without a screen.
var officeEnv = []string{"SAL_USE_VCLPLUGIN=svp", "SAL_DISABLE_OPENCL=1"}

// writeProfile makes the profile of one LibreOffice: two never share one.
func writeProfile(dir string) error {
	user := filepath.Join(dir, "profile", "user")
	if err := os.MkdirAll(user, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(user, "registrymodifications.xcu"), []byte(profile), 0o600)
}

// profileURL names the profile in dir, as LibreOffice is told it.
func profileURL(dir string) string {
	u := url.URL{Scheme: "file", Path: filepath.Join(dir, "profile")}
	return u.String()
}

// officeArgv is how each LibreOffice is started that has its profile in dir.
func officeArgv(program, dir string) []string {
	return []string{program, "-env:UserInstallation=" + profileURL(dir), "--headless", "--norestore", "--nolockcheck", "--nologo"}
}

// officeSocket is the socket of the LibreOffice whose profile is in dir: the user's number, and the MD5 of the profile's URL
// in UTF-16, its bytes in hexadecimal without leading zeros. In its sandbox it may make it, but not remove it: we do.
func officeSocket(dir string) string {
	var text []byte
	for _, c := range utf16.Encode([]rune(profileURL(dir))) {
		text = binary.LittleEndian.AppendUint16(text, c)
	}
	var name strings.Builder
	fmt.Fprintf(&name, "/tmp/OSL_PIPE_%d_SingleOfficeIPC_", os.Getuid())
	for _, b := range md5.Sum(text) {
		fmt.Fprintf(&name, "%x", b)
	}
	return name.String()
}

func removeOfficeSocket(dir string) {
	_ = os.Remove(officeSocket(dir)) // most often it is not there
}

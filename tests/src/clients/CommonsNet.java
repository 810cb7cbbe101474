// One operation of Commons Net:
// HOST PORT USER PASSWORD passive|active clear|explicit|explicit_1.2|implicit OPERATION ARGUMENTS...

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

import org.apache.commons.net.ftp.FTP;
import org.apache.commons.net.ftp.FTPClient;
import org.apache.commons.net.ftp.FTPFile;
import org.apache.commons.net.ftp.FTPSClient;
import org.apache.commons.net.util.TrustManagerUtils;

public class CommonsNet {
    public static void main(String[] arguments) throws Exception {
        FTPClient ftp = client(arguments[5]);
        // Without it every host but the one that was named is refused, and this one has two names.
        ftp.setRemoteVerificationEnabled(false);
        ftp.setControlEncoding("UTF-8");
        ftp.connect(arguments[0], Integer.parseInt(arguments[1]));
        ftp.setSoTimeout(30000);
        check(ftp, ftp.login(arguments[2], arguments[3]));
        if (ftp instanceof FTPSClient) {
            ((FTPSClient) ftp).execPBSZ(0);
            ((FTPSClient) ftp).execPROT("P");
        }
        if (arguments[4].equals("passive")) {
            ftp.enterLocalPassiveMode();
        }
        check(ftp, ftp.setFileType(FTP.BINARY_FILE_TYPE));
        perform(ftp, arguments);
        check(ftp, ftp.logout());
        ftp.disconnect();
    }

    private static FTPClient client(String security) {
        if (security.equals("clear")) {
            return new FTPClient();
        }
        FTPSClient ftps = new FTPSClient(security.equals("implicit"));
        // The server's certificate is of its own making.
        ftps.setTrustManager(TrustManagerUtils.getAcceptAllTrustManager());
        if (security.equals("explicit_1.2")) {
            ftps.setEnabledProtocols(new String[] {"TLSv1.2"});
        }
        return ftps;
    }

    private static void perform(FTPClient ftp, String[] arguments) throws IOException {
        String first = arguments[7];
        String second = arguments.length > 8 ? arguments[8] : null;
        switch (arguments[6]) {
            case "list":
                for (FTPFile file : ftp.listFiles(first)) {
                    System.out.println(file.getName());
                }
                break;
            case "fetch":
                fetch(ftp, first, new FileOutputStream(second));
                break;
            case "store":
                try (InputStream file = new FileInputStream(first)) {
                    check(ftp, ftp.storeFile(second, file));
                }
                break;
            case "append":
                try (InputStream file = new FileInputStream(first)) {
                    check(ftp, ftp.appendFile(second, file));
                }
                break;
            case "resume_fetch":
                ftp.setRestartOffset(Long.parseLong(arguments[9]));
                fetch(ftp, first, new FileOutputStream(second, true));
                break;
            case "resume_store":
                try (InputStream file = new FileInputStream(first)) {
                    file.skip(Long.parseLong(arguments[9]));
                    ftp.setRestartOffset(Long.parseLong(arguments[9]));
                    check(ftp, ftp.storeFile(second, file));
                }
                break;
            case "rename":
                check(ftp, ftp.rename(first, second));
                break;
            case "delete":
                check(ftp, ftp.deleteFile(first));
                break;
            case "make_directory":
                check(ftp, ftp.makeDirectory(first));
                break;
            case "remove_directory":
                check(ftp, ftp.removeDirectory(first));
                break;
            case "set_time":
                check(ftp, ftp.setModificationTime(first, second));
                break;
            default:
                throw new IllegalArgumentException(arguments[6]);
        }
    }

    private static void fetch(FTPClient ftp, String remote, OutputStream to) throws IOException {
        try (OutputStream file = to) {
            check(ftp, ftp.retrieveFile(remote, file));
        }
    }

    private static void check(FTPClient ftp, boolean done) throws IOException {
        if (!done) {
            throw new IOException(ftp.getReplyString());
        }
    }
}

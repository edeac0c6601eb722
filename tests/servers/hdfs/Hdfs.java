import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.util.ShutdownHookManager;

/**
 * An HDFS of one NameNode and one DataNode, which asks for permissions, on loopback.
 *
 * Arguments: the folder of its data (made if it is not there, else used), then the ports of the NameNode (RPC, WebHDFS) and of
 * the DataNode (data, HTTP, IPC). Says READY once it answers and takes writes; SIGTERM ends it.
 */
public class Hdfs {
  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]);
    boolean fresh = !Files.exists(folder);
    Configuration configuration = new HdfsConfiguration();
    configuration.set("hdfs.minidfs.basedir", folder.toString());
    configuration.setInt("dfs.replication", 1);
    configuration.setBoolean("dfs.permissions.enabled", true);
    String[] addresses = {"dfs.datanode.address", "dfs.datanode.http.address", "dfs.datanode.ipc.address"};
    for (int i = 0; i < addresses.length; i++) {
      configuration.set(addresses[i], "127.0.0.1:" + arguments[3 + i]);
    }
    MiniDFSCluster cluster =
        new MiniDFSCluster.Builder(configuration)
            .numDataNodes(1)
            .checkDataNodeAddrConfig(true)
            .nameNodePort(Integer.parseInt(arguments[1]))
            .nameNodeHttpPort(Integer.parseInt(arguments[2]))
            .format(fresh)
            .build();
    cluster.waitClusterUp();
    System.out.println("READY " + cluster.getURI());
    ShutdownHookManager.get().addShutdownHook(cluster::shutdown, 100);
    Thread.currentThread().join();
  }
}

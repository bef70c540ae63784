package ca.iidi.hapi;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.DatabaseBinaryContentStorageSvcImpl;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import jakarta.persistence.EntityManagerFactory;
import org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.boot.autoconfigure.orm.jpa.JpaProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.transaction.annotation.EnableTransactionManagement;

import javax.sql.DataSource;
import java.util.Map;

/** Where and how resources are stored: HAPI's storage settings and its persistence unit. */
@Configuration
@EnableTransactionManagement
class StorageConfig {

    /** What the persistence unit needs; {@code spring.jpa.properties} adds to it and wins. */
    private static final Map<String, String> HIBERNATE_DEFAULTS = Map.of(
            "hibernate.hbm2ddl.auto", "update",
            "hibernate.search.enabled", "false",
            "hibernate.cache.use_second_level_cache", "false",
            "hibernate.jdbc.batch_size", "20",
            "hibernate.order_inserts", "true",
            "hibernate.order_updates", "true",
            "hibernate.implicit_naming_strategy",
            "org.springframework.boot.orm.jpa.hibernate.SpringImplicitNamingStrategy",
            "hibernate.physical_naming_strategy",
            "org.hibernate.boot.model.naming.CamelCaseToUnderscoresNamingStrategy");

    @Bean
    @Primary
    JpaStorageSettings storageSettings(Settings settings) {
        JpaStorageSettings s = new JpaStorageSettings();
        s.setReuseCachedSearchResultsForMillis(
                settings.reuseCachedSearchResultsMillis() < 0 ? null : settings.reuseCachedSearchResultsMillis());
        s.setExpireSearchResultsAfterMillis(settings.retainCachedSearchesMins() * 60_000L);
        s.setSearchPreFetchThresholds(settings.searchPrefetchThresholds());
        s.setResourceClientIdStrategy(settings.clientIdStrategy());
        if (settings.serverIdStrategy() != null) {
            s.setResourceServerIdStrategy(settings.serverIdStrategy());
        }
        s.setDeleteEnabled(settings.deleteEnabled());
        s.setAllowMultipleDelete(settings.allowMultipleDelete());
        s.setExpungeEnabled(settings.expungeEnabled());
        s.setDeleteExpungeEnabled(settings.deleteExpungeEnabled());
        s.setEnforceReferentialIntegrityOnWrite(settings.enforceReferentialIntegrityOnWrite());
        s.setEnforceReferentialIntegrityOnDelete(settings.enforceReferentialIntegrityOnDelete());
        s.setAutoCreatePlaceholderReferenceTargets(settings.autoCreatePlaceholderReferenceTargets());
        s.setAllowExternalReferences(settings.allowExternalReferences());
        s.setEnableTaskBulkExportJobExecution(settings.bulkExportEnabled());
        s.setEnableTaskBulkImportJobExecution(settings.bulkImportEnabled());
        s.setBulkExportFileRetentionPeriodHours(settings.bulkExportFileRetentionPeriodHours());
        s.setBundleBatchPoolSize(settings.bundleBatchPoolSize());
        s.setBundleBatchMaxPoolSize(settings.bundleBatchPoolMaxSize());
        s.setIndexStorageOptimized(settings.indexStorageOptimized());
        s.setMassIngestionMode(settings.massIngestionModeEnabled());
        s.setMatchUrlCacheEnabled(settings.matchUrlCacheEnabled());
        s.setSuppressStringIndexingInTokens(settings.suppressStringIndexingInTokens());
        if (settings.storeMetaSourceInformation() != null) {
            s.setStoreMetaSourceInformation(settings.storeMetaSourceInformation());
        }
        return s;
    }

    @Bean
    SubscriptionSettings subscriptionSettings(Settings settings) {
        SubscriptionSettings s = new SubscriptionSettings();
        if (settings.subscription().resthookEnabled()) {
            s.addSupportedSubscriptionType(SubscriptionChannelType.RESTHOOK);
        }
        s.setSubscriptionIntervalInMs(settings.subscription().pollingIntervalMs());
        s.setSubscriptionChangeQueuedImmediately(settings.subscription().immediatelyQueued());
        return s;
    }

    @Bean
    PartitionSettings partitionSettings() {
        return new PartitionSettings();
    }

    @Bean
    IEmailSender emailSender() {
        return details -> { };
    }

    @Bean
    IBinaryStorageSvc binaryStorage() {
        return new DatabaseBinaryContentStorageSvcImpl();
    }

    @Bean
    @Primary
    LocalContainerEntityManagerFactoryBean entityManagerFactory(
            DataSource dataSource, ConfigurableListableBeanFactory beans, FhirContext fhir,
            JpaStorageSettings storage, JpaProperties jpa) {
        LocalContainerEntityManagerFactoryBean factory =
                HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, storage);
        factory.setPersistenceUnitName("HAPI_PU");
        factory.setDataSource(dataSource);
        factory.getJpaPropertyMap().putAll(HIBERNATE_DEFAULTS);
        factory.getJpaPropertyMap().putAll(jpa.getProperties());
        return factory;
    }

    @Bean
    @Primary
    JpaTransactionManager transactionManager(EntityManagerFactory entityManagerFactory) {
        return new JpaTransactionManager(entityManagerFactory);
    }
}
